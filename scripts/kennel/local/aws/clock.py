"""AWS's waits, in less time: canary intervals, alarm periods, cooldowns."""

import time
from threading import Event


class Clock:
    """Runs `speed` times as fast as a wall clock.

    For waits that AWS prescribes. What real work takes (a server that starts, a request, the grace
    after SIGTERM) is measured in real seconds.
    """

    def __init__(self, speed: float = 1) -> None:
        if speed <= 0:
            raise ValueError(f"the clock's speed is {speed}: it must be above 0")
        self.speed = speed
        self._began, self._epoch = time.monotonic(), time.time()

    def now(self) -> float:
        """Seconds since 1970 by this clock, which never goes back."""
        return self._epoch + (time.monotonic() - self._began) * self.speed

    def moment(self, now: float) -> float:
        """When, by everybody else's clock, this one showed or will show a time."""
        return self._epoch + (now - self._epoch) / self.speed

    def shown(self, moment: float) -> float:
        """What this one showed, or will show, at a time by everybody else's clock."""
        return self._epoch + (moment - self._epoch) * self.speed

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds) / self.speed)

    def wait(self, event: Event, seconds: float) -> bool:
        """Sleep unless and until the event happens; whether it did."""
        return event.wait(max(0.0, seconds) / self.speed)
