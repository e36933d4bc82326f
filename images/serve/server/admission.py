"""How much may be inside at the same time: so many requests, and so many bytes of their bodies.

What counts is what has come, not what was announced: clients that are slow or silent take nobody's
place, and what they have sent is bounded by bytes here and by time where bodies are read.
"""

from types import TracebackType
from typing import Self

from server.errors import Overloaded


class House:
    def __init__(self, most_requests: int, most_bytes: int) -> None:
        self.most_requests = most_requests
        self.most_bytes = most_bytes
        self.requests = 0
        self.bytes = 0

    def enter(self, declared: int = 0) -> "Place":
        """A place for a body of so many bytes. Refused at once, before the body is read."""
        self.check(requests=1, count=declared)
        return Place(self)

    def check(self, *, requests: int = 0, count: int = 0) -> None:
        if self.requests + requests > self.most_requests:
            raise Overloaded(f"{self.requests} requests are waiting already: try again later")
        if self.bytes + count > self.most_bytes:
            raise Overloaded(f"{self.bytes} bytes are waiting already: try again later")


class Place:
    """What one request takes up, given back at the end however it ends."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._bytes = 0
        self._settled = False

    def grow(self, count: int) -> None:
        """More of its body has come."""
        self._house.check(count=count)
        self._house.bytes += count
        self._bytes += count

    def settle(self) -> None:
        """All of its body has come: from here on it waits for an answer."""
        self._house.check(requests=1)
        self._house.requests += 1
        self._settled = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._house.requests -= self._settled
        self._house.bytes -= self._bytes
