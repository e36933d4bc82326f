"""The moment by which something must be done."""

import time
from typing import NamedTuple, Self


class Deadline(NamedTuple):
    at: float  # by the monotonic clock

    @classmethod
    def after(cls, seconds: float) -> Self:
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds, negative when it has passed."""
        return self.at - time.monotonic()

    def within(self, seconds: float) -> "Deadline":
        """The same moment, or an earlier one."""
        return Deadline(min(self.at, time.monotonic() + seconds))
