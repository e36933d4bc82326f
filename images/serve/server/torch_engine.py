"""The network in torch, from the artifact's weights: for a GPU, and on a CPU for want of one."""

import numpy as np
import torch
import torchvision.models
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from server import cpu
from server.artifact import Artifact

# Of ImageNet, for values from 0 to 255: what the trainer folds into OpenVINO's graph.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


class Torch:
    def __init__(self, artifact: Artifact, precision: str = "auto") -> None:
        gpu = torch.cuda.is_available()
        if not gpu:
            torch.set_num_threads(cpu.whole_cores())
        self.precision = ("bf16" if gpu else "fp32") if precision == "auto" else precision
        self._device = torch.device("cuda" if gpu else "cpu")
        self._type = torch.bfloat16 if self.precision == "bf16" else torch.float32
        network = build(artifact).eval().to(self._device, self._type)
        self._network = network.to(memory_format=torch.channels_last)
        self._mean = torch.tensor(MEAN, device=self._device)
        self._std = torch.tensor(STD, device=self._device)

    @torch.inference_mode()
    def infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(batch).to(self._device, non_blocking=True)
        values = ((pixels.float() - self._mean) / self._std).permute(0, 3, 1, 2)
        scores: NDArray[np.float32] = self._network(values.to(self._type)).float().cpu().numpy()
        return scores


def build(artifact: Artifact) -> nn.Module:
    # Two architectures have side outputs that only training uses; the artifact is without them.
    plain = {"aux_logits": False, "init_weights": False}
    options = plain if artifact.architecture in {"googlenet", "inception_v3"} else {}
    network: nn.Module = torchvision.models.get_model(
        artifact.architecture, weights=None, num_classes=len(artifact.classes), **options
    )
    network.load_state_dict(load_file(artifact.weights))
    return network
