"""What CloudWatch knows of endpoints: real invocations, counted in spells of ten seconds."""

import math
import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kennel.local.aws.clock import Clock

SPELL = 10.0  # seconds by the clock: the resolution of high-resolution metrics
KEPT = 3600.0 * 3
STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "Average": lambda values: sum(values) / len(values),
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
    "Sum": sum,
}


@dataclass(frozen=True)
class Series:
    """One metric of one variant of one configuration."""

    metric: str
    endpoint: str
    config: str
    variant: str

    @cached_property
    def dimensions(self) -> dict[str, str]:
        return {
            "EndpointConfigName": self.config,
            "EndpointName": self.endpoint,
            "VariantName": self.variant,
        }


@dataclass
class Spell:
    """The values of ten seconds."""

    began: float
    values: list[float] = field(default_factory=list)


class Measures:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._series: dict[Series, list[Spell]] = {}
        self._lock = threading.Lock()
        self.provider: object = None  # what shows them to CloudWatch's clients

    def add(self, series: Series, value: float) -> None:
        began = self._clock.now() // SPELL * SPELL
        with self._lock:
            spells = self._series.setdefault(series, [])
            if not spells or spells[-1].began < began:
                spells.append(Spell(began))
                del spells[: first(spells, began - KEPT)]
            spells[-1].values.append(value)

    def values(
        self, metric: str, dimensions: Mapping[str, str], start: float, end: float
    ) -> list[float]:
        """All values of a metric within a time, of whatever has these dimensions."""
        with self._lock:
            return [
                value
                for series, spells in self._series.items()
                if series.metric == metric and dimensions.items() <= series.dimensions.items()
                for spell in spells[first(spells, start) : first(spells, end)]
                for value in spell.values
            ]

    def spells(self) -> list[tuple[Series, float, list[float]]]:
        with self._lock:
            return [
                (series, spell.began, list(spell.values))
                for series, spells in self._series.items()
                for spell in spells
            ]

    def forget(self, endpoint: str) -> None:
        with self._lock:
            self._series = {s: v for s, v in self._series.items() if s.endpoint != endpoint}


def first(spells: list[Spell], moment: float) -> int:
    """Return the index of the first spell that began then or later."""
    return bisect_left(spells, moment, key=lambda spell: spell.began)


def statistic(name: str, values: list[float]) -> float | None:
    """A CloudWatch statistic; None of no values."""
    if not values:
        return None
    if name in STATISTICS:
        return STATISTICS[name](values)
    if not name.startswith("p"):
        raise ValueError(f"there is no statistic {name!r}")
    rank = math.ceil(float(name[1:]) / 100 * len(values))
    return sorted(values)[max(0, rank - 1)]
