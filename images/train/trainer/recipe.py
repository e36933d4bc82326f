"""How a network is trained: which layer how fast, the learning rate over time, the average."""

import copy
import math
import re

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from trainer.augment import Seen
from trainer.config import Config

FIRST = 1 / 25  # of the peak: the learning rate that the warm-up begins with


def rate_at(step: int, steps: int, warmup: float) -> float:
    """The share of the peak rate at a step: up in a straight line, then down along a cosine."""
    risen = warmup * steps
    if step < risen:
        return FIRST + (1 - FIRST) * step / risen
    return 0.5 + 0.5 * math.cos(math.pi * (step - risen) / max(1.0, steps - risen))


def stage(name: str) -> str:
    """The layer that a parameter belongs to: its name up to the first part with a number."""
    parts = name.split(".")
    numbered = next((i for i, part in enumerate(parts) if re.search(r"\d", part)), 0)
    return ".".join(parts[: numbered + 1])


def optimiser(network: nn.Module, config: Config) -> torch.optim.SGD:
    """SGD with Nesterov momentum. Layers far from the output learn slower by `layer_decay` each;
    biases and the scales of normalisation are not decayed."""
    stages = list(dict.fromkeys(stage(name) for name, _ in network.named_parameters()))
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        depth = len(stages) - 1 - stages.index(stage(name))
        decay = config.decay if parameter.ndim > 1 else 0.0
        groups.setdefault((config.layer_decay**depth, decay), []).append(parameter)
    return torch.optim.SGD(
        [
            {"params": members, "weight_decay": decay, "share": share}
            for (share, decay), members in groups.items()
        ],
        lr=config.rate,
        momentum=0.9,
        nesterov=True,
    )


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate * group["share"]


class Average:
    """An exponential moving average of the weights; with decay 0 the weights themselves."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = network
        self.decay = decay
        self.module = copy.deepcopy(network) if decay else network

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Early on it follows closely: random first weights would else stay in it for long."""
        if not self.decay:
            return
        near = 1 - min(self.decay, (1 + step) / (10 + step))
        weights = zip(self.module.parameters(), self.network.parameters(), strict=True)
        for mine, theirs in weights:
            mine.lerp_(theirs, near)
        for kept, new in zip(self.module.buffers(), self.network.buffers(), strict=True):
            kept.copy_(new)


def loss(scores: Tensor, seen: Seen, costs: Tensor | None, smoothing: float) -> Tensor:
    """Summed over the pictures; one that is mixed of two answers for both."""

    def against(labels: Tensor, reduction: str) -> Tensor:
        return cross_entropy(
            scores, labels, weight=costs, label_smoothing=smoothing, reduction=reduction
        )

    if seen.others is None or seen.shares is None:
        return against(seen.labels, "sum")
    first, second = against(seen.labels, "none"), against(seen.others, "none")
    return (seen.shares * first + (1 - seen.shares) * second).sum()


def class_weights(labels: list[int]) -> Tensor:
    """What an error in each class costs, so that all classes weigh alike; 1 on average."""
    have = torch.bincount(torch.tensor(labels)).float()
    return have.sum() / (len(have) * have)
