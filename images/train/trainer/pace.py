"""The steps of an epoch: who takes which rows in which step, when to save, and the clock."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor

from trainer.share import batch_bounds, share_sizes
from trainer.world import World


@dataclass(frozen=True)
class Bounds:
    """Every process makes the same number of steps: a share's batches are its near-equal parts."""

    mine: list[tuple[int, int]]
    over_all: list[int]  # pictures of each step, over all processes


def steps_of(total: int, batch: int) -> int:
    """Of an epoch; the pictures over and above full batches make these larger: none is left out."""
    return max(1, total // batch)


def bounds_of(total: int, batch: int, world: World) -> Bounds:
    steps = steps_of(total, batch)
    every = [batch_bounds(count, steps) for count in share_sizes(total, world.size)]
    over_all = [sum(stop - start for start, stop in parts) for parts in zip(*every, strict=True)]
    return Bounds(every[world.rank], over_all)


def parts_of(rows: Tensor, count: int) -> Iterator[tuple[Tensor, bool]]:
    """The rows of a step in so many parts, and whether it is the last one."""
    parts = rows.tensor_split(count)
    for number, part in enumerate(parts, start=1):
        yield part, number == count


class Clock:
    """How fast an epoch goes, and the share of it that goes to making pictures ready."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.pictures = 0
        self.waiting = 0.0

    @contextmanager
    def making(self, pictures: int) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.waiting += time.monotonic() - began
        self.pictures += pictures

    def values(self, processes: int) -> dict[str, float]:
        """Until now."""
        seconds = max(1e-9, time.monotonic() - self.began)
        return {
            "images_per_second": round(processes * self.pictures / seconds, 1),
            "data_share": round(self.waiting / seconds, 4),
        }
