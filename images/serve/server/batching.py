"""What forms the next batch: a queue without clock, threads or I/O of its own.

An engine that is idle takes what waits, at once: there is no timer. Batches grow only because more
waits by the time an engine is free. What nobody waits for any more is dropped before it costs
anything.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Ticket(Protocol):
    """The side of a waiting request that the queue looks at; an asyncio future is one."""

    def done(self) -> bool:
        """Nobody waits for it any more: cancelled, answered or failed."""


T = TypeVar("T")
K = TypeVar("K", bound=Ticket)


@dataclass(frozen=True)
class Waiting(Generic[T, K]):
    item: T
    ticket: K
    deadline: float


@dataclass(frozen=True)
class Batch(Generic[T, K]):
    entries: list[Waiting[T, K]]
    late: list[Waiting[T, K]]  # past their deadline, to be told so


class Queue(Generic[T, K]):
    def __init__(self, most: int, takers: int = 1) -> None:
        self._most, self._takers = most, takers
        self._waiting: deque[Waiting[T, K]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, entry: Waiting[T, K]) -> None:
        self._waiting.append(entry)

    def take(self, now: float) -> Batch[T, K]:
        """The longest waiting, without those who left or came too late: a taker's share of all
        that wait, and at most a batch."""
        batch: Batch[T, K] = Batch([], [])
        share = min(self._most, math.ceil(len(self._waiting) / self._takers))
        while self._waiting and len(batch.entries) < share:
            entry = self._waiting.popleft()
            if entry.ticket.done():
                continue
            (batch.late if entry.deadline <= now else batch.entries).append(entry)
        return batch
