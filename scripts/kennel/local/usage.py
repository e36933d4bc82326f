"""API keys and throttling, as an API Gateway stage and its usage plan have them."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from kennel.local.refusals import Refused

Clock = Callable[[], float]
DAY = 86_400


@dataclass(frozen=True)
class Throttle:
    """Requests a second, and how many at once on top: a bucket of `burst` tokens."""

    rate: float
    burst: int


@dataclass(frozen=True)
class Quota:
    """Requests in a day, or in so many days."""

    requests: int
    days: int = 1


@dataclass(frozen=True)
class Plan:
    """What each key may do."""

    keys: tuple[str, ...]
    rate: float = 10
    burst: int = 20
    requests_per_day: int = 10_000


class Bucket:
    def __init__(self, throttle: Throttle, clock: Clock = time.time) -> None:
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

    def __init__(
        self, throttle: Throttle | None, quota: Quota | None, clock: Clock = time.time
    ) -> None:
        self._quota = quota
        self._clock = clock
        self._bucket = Bucket(throttle, clock) if throttle else None
        self._period = 0
        self._used = 0

    def charge(self) -> None:
        if self._quota:
            period = int(self._clock() // (DAY * self._quota.days))
            if period != self._period:
                self._period, self._used = period, 0
            if self._used >= self._quota.requests:
                raise Refused("QUOTA_EXCEEDED", "the API key's requests of this day are used up")
        if self._bucket and not self._bucket.take():
            raise too_many()
        self._used += 1


class Door:
    """Left open when it has neither a plan nor a throttle."""

    def __init__(
        self, plan: Plan | None = None, throttle: Throttle | None = None, clock: Clock = time.time
    ) -> None:
        self._accounts = accounts_of(plan, clock) if plan else None
        self._bucket = Bucket(throttle, clock) if throttle else None

    def pass_through(self, key: str | None, *, needs_key: bool) -> None:
        """Raise Refused unless the request may pass."""
        if self._accounts is not None and needs_key:
            if key not in self._accounts:
                raise no_key()
            self._accounts[key].charge()
        if self._bucket and not self._bucket.take():
            raise too_many()


def accounts_of(plan: Plan, clock: Clock) -> dict[str, Account]:
    throttle, quota = Throttle(plan.rate, plan.burst), Quota(plan.requests_per_day)
    return {key: Account(throttle, quota, clock) for key in plan.keys}


def no_key() -> Refused:
    return Refused("INVALID_API_KEY", "a valid API key is needed in the header x-api-key")


def too_many() -> Refused:
    return Refused("THROTTLED", "too many requests: slow down", {"Retry-After": "1"})
