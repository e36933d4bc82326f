"""The arithmetic of a run: bf16 where it was asked for or where it pays, else fp32."""

import torch
from torch import nn

from trainer import cpu
from trainer.config import Config
from trainer.world import World


def of_steps(config: Config, world: World, network: nn.Module) -> str:
    """On a CPU, torch makes convolutions in groups of channels slower by bf16. The head alone is
    too small to gain."""
    if config.regime == "head":
        return "fp32"
    dense = all(each.groups == 1 for each in network.modules() if isinstance(each, nn.Conv2d))
    return decided(config, world, pays=has_fast_bf16(world) and (is_on_gpu(world) or dense))


def of_features(config: Config, world: World) -> str:
    """On a CPU they are OpenVINO's to compute, which gains whatever the network."""
    return decided(config, world, pays=has_fast_bf16(world))


def decided(config: Config, world: World, *, pays: bool) -> str:
    """The same for all processes, where it pays in some of them only."""
    if config.precision != "auto":
        return config.precision
    return "bf16" if all(world.gather(pays)) else "fp32"


def has_fast_bf16(world: World) -> bool:
    if not is_on_gpu(world):
        return cpu.has_fast_bf16()
    has: bool = torch.cuda.is_bf16_supported(including_emulation=False)
    return has


def is_on_gpu(world: World) -> bool:
    return world.device.type == "cuda"


def arithmetic(device: torch.device, precision: str) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
