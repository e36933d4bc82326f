"""API keys and throttling, as an API Gateway stage and its usage plan have them."""

import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]
DAY = 86_400


@dataclass(frozen=True)
class Throttle:
    """Requests a second, and how many at once on top: a bucket of `burst` tokens."""

    rate: float
    burst: int


@dataclass(frozen=True)
class Plan:
    """What each key may do."""

    keys: tuple[str, ...]
    rate: float = 10
    burst: int = 20
    requests_per_day: int = 10_000


class Refused(Exception):
    """The request does not reach the function."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers


class Bucket:
    def __init__(self, throttle: Throttle, clock: Clock) -> None:
        self._throttle = throttle
        self._clock = clock
        self._tokens = float(throttle.burst)
        self._filled = clock()

    def take(self) -> bool:
        now = self._clock()
        grown = (now - self._filled) * self._throttle.rate
        self._tokens = min(self._throttle.burst, self._tokens + grown)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Account:
    """One key's use of its plan."""

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._bucket = Bucket(Throttle(plan.rate, plan.burst), clock)
        self._day = 0
        self._used = 0

    def charge(self) -> None:
        day = int(self._clock() // DAY)
        if day != self._day:
            self._day, self._used = day, 0
        if self._used >= self._plan.requests_per_day:
            raise Refused(429, "the API key's requests of this day are used up")
        if not self._bucket.take():
            raise too_many()
        self._used += 1


class Door:
    """Left open when it has neither a plan nor a throttle."""

    def __init__(
        self, plan: Plan | None = None, throttle: Throttle | None = None, clock: Clock = time.time
    ) -> None:
        self._accounts = {key: Account(plan, clock) for key in plan.keys} if plan else None
        self._bucket = Bucket(throttle, clock) if throttle else None

    def pass_through(self, key: str | None, *, preflight: bool) -> None:
        """Raise Refused unless the request may pass. Browsers send no key with a preflight."""
        if self._accounts is not None and not preflight:
            if key not in self._accounts:
                raise Refused(403, "a valid API key is needed in the header x-api-key")
            self._accounts[key].charge()
        if self._bucket and not self._bucket.take():
            raise too_many()


def too_many() -> Refused:
    return Refused(429, "too many requests: slow down", **{"Retry-After": "1"})
