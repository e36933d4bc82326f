"""The network in torch, from the artifact's weights: for a GPU, and on a CPU for want of one."""

from collections.abc import Callable

import numpy as np
import torch
import torchvision.models
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from server import cpu, jpegs
from server.artifact import Artifact
from server.pictures import Cut

# Of ImageNet, for values from 0 to 255: what the trainer folds into OpenVINO's graph.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


class Torch:
    queues = False  # its graphs write to memory that is theirs alone

    def __init__(self, artifact: Artifact, precision: str = "auto", most_batch: int = 8) -> None:
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
        self._cut = Cut(artifact.resize, artifact.size)
        self._graphs: dict[int, Graph] = {}
        if gpu:
            blank = torch.zeros(1, artifact.size, artifact.size, 3, dtype=torch.uint8)
            for size in padded_sizes(most_batch):
                inputs = blank.to(self._device).repeat(size, 1, 1, 1)
                self._graphs[size] = Graph(self._scores, inputs)

    def decoder(self) -> jpegs.Decoder | None:
        """The GPU's, where it is there."""
        if self._device.type == "cpu":
            return None
        found = jpegs.Decoder(self._cut, self._device)
        return found if found.works() else None

    @torch.inference_mode()
    def infer(self, batch: NDArray[np.uint8] | Tensor) -> NDArray[np.float32]:
        pixels = torch.as_tensor(batch).to(self._device, non_blocking=True)
        run = self._graphs.get(padded(len(pixels)), self._scores)
        scores: NDArray[np.float32] = run(pixels).cpu().numpy()
        return scores

    @torch.inference_mode()
    def _scores(self, pixels: Tensor) -> Tensor:
        values = ((pixels.float() - self._mean) / self._std).permute(0, 3, 1, 2)
        scores: Tensor = self._network(values.to(self._type)).float()
        return scores


class Graph:
    """The kernels of one batch size, launched together: one by one, their launches take longer than
    their work. A smaller batch leaves the rest as it was."""

    def __init__(self, run: Callable[[Tensor], Tensor], inputs: Tensor) -> None:
        self._inputs = inputs
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):  # until libraries have chosen their kernels and their memory
                run(inputs)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._scores = run(inputs)

    def __call__(self, pixels: Tensor) -> Tensor:
        self._inputs[: len(pixels)].copy_(pixels)
        self._graph.replay()
        return self._scores[: len(pixels)]


def padded(count: int) -> int:
    """The next power of two: there are graphs for a few sizes only."""
    return 1 << (count - 1).bit_length()


def padded_sizes(most: int) -> list[int]:
    return sorted({padded(count) for count in range(1, most + 1)})


def build(artifact: Artifact) -> nn.Module:
    # Two architectures have side outputs that only training uses; the artifact is without them.
    plain = {"aux_logits": False, "init_weights": False}
    options = plain if artifact.architecture in {"googlenet", "inception_v3"} else {}
    network: nn.Module = torchvision.models.get_model(
        artifact.architecture, weights=None, num_classes=len(artifact.classes), **options
    )
    network.load_state_dict(load_file(artifact.weights))
    return network
