"""What CloudWatch knows of endpoints: the values within a time, and no longer than three hours."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kennel.local.aws.serving.measures import KEPT, SPELL, Measures, Series

SERIES = Series("Invocations", "dogs", "release-1", "live")
OTHERS = [
    Series("Invocations", "cats", "release-1", "live"),
    Series("ModelLatency", "dogs", "release-1", "live"),
]


@dataclass
class Hand:
    """A clock that stands where it is set."""

    time: float = 0.0

    def now(self) -> float:
        return self.time


def measured(steps: list[float]) -> tuple[Measures, list[tuple[float, float]], float]:
    """Add a value after each step of time: what there is, each value's spell, and the time."""
    clock = Hand()
    measures = Measures(clock)  # type: ignore[arg-type]
    added = []
    for number, step in enumerate(steps):
        clock.time += step
        for each in (SERIES, *OTHERS):
            measures.add(each, float(number))
        added.append((clock.time // SPELL * SPELL, float(number)))
    return measures, added, clock.time


@given(st.lists(st.floats(0, 40), min_size=1, max_size=40), st.floats(-50, 1600), st.floats(0, 600))
def test_a_time_has_the_values_of_the_spells_that_began_in_it(
    steps: list[float], start: float, length: float
) -> None:
    measures, added, _ = measured(steps)
    found = measures.values("Invocations", {"EndpointName": "dogs"}, start, start + length)
    assert found == [value for began, value in added if start <= began < start + length]


def test_what_is_older_than_three_hours_goes() -> None:
    measures, _, now = measured([SPELL] * int(KEPT / SPELL + 10))
    began = sorted(began for series, began, _ in measures.spells() if series == SERIES)
    assert began[0] == now - KEPT
    assert len(began) == KEPT / SPELL + 1


@pytest.mark.parametrize(
    "dimensions", [{}, {"VariantName": "live"}, {"EndpointConfigName": "release-1"}]
)
def test_fewer_dimensions_name_more_series(dimensions: dict[str, str]) -> None:
    measures, *_ = measured([0.0])
    assert len(measures.values("Invocations", dimensions, 0.0, 1.0)) == 2
