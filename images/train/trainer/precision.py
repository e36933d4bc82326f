"""The arithmetic of a run: bf16 where it was asked for or where it pays, else fp32."""

import torch
from torch import nn

from trainer import cpu
from trainer.config import Config
from trainer.world import World


def trains_in_bf16(config: Config, world: World, network: nn.Module) -> bool:
    """On a CPU, torch makes convolutions in groups of channels slower by it."""
    dense = all(each.groups == 1 for each in network.modules() if isinstance(each, nn.Conv2d))
    return decided(config, world, pays=has_fast_bf16(world) and (is_on_gpu(world) or dense))


def runs_in_bf16(config: Config, world: World) -> bool:
    """What is not trained, which on a CPU is OpenVINO's to run, whatever the network."""
    return decided(config, world, pays=has_fast_bf16(world))


def decided(config: Config, world: World, *, pays: bool) -> bool:
    """The same for all processes, where it pays in some of them only."""
    if config.precision != "auto":
        return config.precision == "bf16"
    return all(world.gather(pays))


def has_fast_bf16(world: World) -> bool:
    return torch.cuda.is_bf16_supported() if is_on_gpu(world) else cpu.has_fast_bf16()


def is_on_gpu(world: World) -> bool:
    return world.device.type == "cuda"


def arithmetic(device: torch.device, *, bf16: bool) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)


def name(*, bf16: bool) -> str:
    return "bf16" if bf16 else "fp32"
