"""The frozen backbone of regime head: run once over each view, so as fast as the machine can.

On a CPU that is OpenVINO, which makes the artifact's graphs too: it folds normalisation layers into
convolutions and computes in bf16 where the processor can. On a GPU it is torch.
"""

from collections.abc import Callable
from typing import cast

import openvino
import torch
from torch import Tensor, nn

from trainer import cpu, graph, pace
from trainer.config import Config
from trainer.world import World


def runner(backbone: nn.Module, config: Config, world: World) -> Callable[[Tensor], Tensor]:
    if world.device.type == "cpu":
        return on_cpu(backbone, config)

    @torch.no_grad()
    def run(inputs: Tensor) -> Tensor:
        with pace.arithmetic(config, world):
            return cast(Tensor, backbone(inputs)).float()

    return run


def on_cpu(backbone: nn.Module, config: Config) -> Callable[[Tensor], Tensor]:
    core = openvino.Core()
    offered = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    fast = offered and not cpu.has_broken_amx()  # Intel's bf16 without AMX is slower than fp32
    wants_bf16 = config.precision == "bf16" or (config.precision == "auto" and fast)
    compiled = core.compile_model(
        graph.converted(backbone, config.size),
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",  # all threads on one batch
            "INFERENCE_PRECISION_HINT": "bf16" if wants_bf16 else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # the processes of a machine would choose the same core
        },
    )

    def run(inputs: Tensor) -> Tensor:
        return torch.from_numpy(compiled(inputs.contiguous().numpy())[0].copy())

    return run
