"""The frozen backbone of regime head: run once over each view, so as fast as the machine can.

On a CPU that is OpenVINO, which makes the artifact's graphs too: it folds normalisation layers into
convolutions and computes in bf16 where the processor can. On a GPU it is torch.
"""

from collections.abc import Callable
from typing import cast

import openvino
import torch
from torch import Tensor, nn

from trainer import graph, precision


def runner(
    backbone: nn.Module, size: int, device: torch.device, arithmetic: str
) -> Callable[[Tensor], Tensor]:
    if device.type == "cpu":
        return on_cpu(backbone, size, arithmetic)

    @torch.no_grad()
    def run(inputs: Tensor) -> Tensor:
        with precision.arithmetic(device, arithmetic):
            return cast(Tensor, backbone(inputs)).float()

    return run


def on_cpu(backbone: nn.Module, size: int, arithmetic: str) -> Callable[[Tensor], Tensor]:
    compiled = openvino.Core().compile_model(
        graph.converted(backbone, size),
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",  # all threads on one batch
            "INFERENCE_PRECISION_HINT": "bf16" if arithmetic == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # the processes of a machine would choose the same core
        },
    )

    def run(inputs: Tensor) -> Tensor:
        return torch.from_numpy(compiled(inputs.contiguous().numpy())[0].copy())

    return run
