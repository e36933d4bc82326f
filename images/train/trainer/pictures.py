"""Decoded pictures of one process: kept in memory, or decoded anew whenever they are wanted."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

AHEAD = 256_000_000  # bytes of decoded pictures that wait for their turn, at most
CGROUPS = (  # a container's limit, as new and as old kernels have it
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class Pictures(Protocol):
    """N x R x R x 3 of uint8; rows are taken by index, as from a tensor."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor | slice) -> Tensor: ...

    def expect(self, rows: Tensor) -> None:
        """Learn which rows will be asked for next, in their order."""

    def close(self) -> None:
        """Nothing will be asked for any more."""


class Kept:
    """All of them, in memory."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        if isinstance(rows, Tensor):
            rows = rows.to(self.pixels.device, non_blocking=True)
        return self.pixels[rows]

    def expect(self, rows: Tensor) -> None:
        """Whatever comes next is there."""

    def close(self) -> None:
        """Nothing is under way."""


class Streamed:
    """None of them: a bounded pool of threads decodes ahead of what is asked for."""

    def __init__(self, decode: Callable[[int], Tensor], count: int, side: int, threads: int):
        self.decode, self.count = decode, count
        self.pool = ThreadPoolExecutor(threads)
        self.most = max(threads, AHEAD // (3 * side * side))
        self.coming: deque[int] = deque()
        self.waiting: dict[int, Future[Tensor]] = {}

    def __len__(self) -> int:
        return self.count

    def expect(self, rows: Tensor) -> None:
        for each in self.waiting.values():
            each.cancel()
        self.waiting.clear()
        self.coming = deque(rows.tolist())
        self.begin()

    def begin(self) -> None:
        while self.coming and len(self.waiting) < self.most:
            row = self.coming.popleft()
            self.waiting[row] = self.pool.submit(self.decode, row)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Rows that nobody expected are decoded all the same."""
        if isinstance(rows, slice):
            rows = torch.arange(self.count)[rows]
        begun = [self.future(row) for row in rows.tolist()]
        self.begin()
        return torch.stack([each.result() for each in begun])

    def close(self) -> None:
        """Python would decode all that waits for its turn before a process can end."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def future(self, row: int) -> Future[Tensor]:
        if row in self.waiting:
            return self.waiting.pop(row)
        return self.pool.submit(self.decode, row)


def machine_memory() -> int:
    """Of this machine or, where it allows less, of this container."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [path.read_text().strip() for path in CGROUPS if path.exists()]
    return min([memory, *(int(limit) for limit in limits if limit.isdecimal())])
