"""When a scheduled action is due: the expressions at(...), rate(...) and cron(...).

https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

MINUTE = 60.0
MOST_MINUTES = 2 * 24 * 60  # of a time in which nobody looked, as while the machine slept
UNITS = {"minute": MINUTE, "hour": 60 * MINUTE, "day": 24 * 60 * MINUTE}
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
# Least and most of each field, and names for its values.
FIELDS: tuple[tuple[int, int, list[str]], ...] = (
    (0, 59, []),
    (0, 23, []),
    (1, 31, []),
    (1, 12, MONTHS),
    (1, 7, DAYS),
    (1970, 2199, []),
)


class Schedule(Protocol):
    def due(self, after: float, until: float) -> bool:
        """Whether it is time once after one moment and not after the other."""


@dataclass(frozen=True)
class At:
    moment: float

    def due(self, after: float, until: float) -> bool:
        return after < self.moment <= until


@dataclass(frozen=True)
class Rate:
    seconds: float
    began: float

    def due(self, after: float, until: float) -> bool:
        def turns(moment: float) -> int:
            return max(0, math.floor((moment - self.began) / self.seconds))

        return turns(until) > turns(after)


@dataclass(frozen=True)
class Cron:
    fields: tuple[frozenset[int], ...]
    zone: ZoneInfo

    def due(self, after: float, until: float) -> bool:
        first = max(math.floor(after / MINUTE) + 1, math.floor(until / MINUTE) - MOST_MINUTES)
        last = math.floor(until / MINUTE)
        return any(self._is_now(minute * MINUTE) for minute in range(first, last + 1))

    def _is_now(self, moment: float) -> bool:
        now = datetime.fromtimestamp(moment, UTC).astimezone(self.zone)
        weekday = now.isoweekday() % 7 + 1  # Sunday is 1
        values = (now.minute, now.hour, now.day, now.month, weekday, now.year)
        return all(value in field for value, field in zip(values, self.fields, strict=True))


def schedule_of(text: str, zone: str | None, began: float) -> Schedule:
    """ValueError says what is wrong. `began` is when a rate starts to count."""
    try:
        place = ZoneInfo(zone or "UTC")
    except (KeyError, ValueError):
        raise ValueError(f"there is no timezone {zone!r}") from None
    found = re.fullmatch(r"(at|rate|cron)\((.*)\)", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is none of at(...), rate(...), cron(...)")
    kind, inner = found.groups()
    match kind:
        case "at":
            return At(datetime.fromisoformat(inner).replace(tzinfo=place).timestamp())
        case "rate":
            return Rate(period_of(inner).total_seconds(), began)
    return cron_of(inner, place)


def period_of(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no rate, such as 5 minutes")
    return timedelta(seconds=int(found[1]) * UNITS[found[2]])


def cron_of(text: str, zone: ZoneInfo) -> Cron:
    given = text.upper().split()
    if len(given) != len(FIELDS):
        raise ValueError(f"cron has six fields, {text!r} has {len(given)}")
    if (given[2] == "?") == (given[4] == "?"):
        raise ValueError("one of day of month and day of week must be ?, the other one not")
    parts = re.split("[,/-]", f"{given[2]},{given[4]}")
    if any(set(each) & set("LW#") for each in parts if each not in DAYS):
        raise ValueError("the local AWS does not have L, W and # in cron expressions")
    fields = (field_of(each, *kind) for each, kind in zip(given, FIELDS, strict=True))
    return Cron(tuple(fields), zone)


def field_of(text: str, least: int, most: int, names: list[str]) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, last = span_of(span, least, most, names, open_end=bool(step))
        values |= set(range(first, last + 1, int(step or 1)))
    if not values or not values <= set(range(least, most + 1)):
        raise ValueError(f"{text!r} is not within {least} and {most}")
    return frozenset(values)


def span_of(
    text: str, least: int, most: int, names: list[str], *, open_end: bool
) -> tuple[int, int]:
    if text in ("*", "?"):
        return least, most
    first, _, last = text.partition("-")
    start = number_of(first, least, names)
    if last:
        return start, number_of(last, least, names)
    return start, most if open_end else start


def number_of(text: str, least: int, names: list[str]) -> int:
    return names.index(text) + least if text in names else int(text)
