"""Deployment plans, alarm states and statistics, as CloudWatch and SageMaker define them."""

from typing import Any

import pytest

from kennel.local.aws.clock import Clock
from kennel.local.aws.serving.measures import statistic


def policy(**routing: Any) -> dict[str, Any]:
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        (None, (1.0,)),
        (policy(Type="ALL_AT_ONCE", WaitIntervalInSeconds=0), (1.0,)),
        (policy(Type="CANARY", CanarySize={"Value": 10}), (0.1, 1.0)),
        (policy(Type="LINEAR", LinearStepSize={"Value": 25}), (0.25, 0.5, 0.75, 1.0)),
        (policy(Type="LINEAR", LinearStepSize={"Value": 40}), (0.4, 0.8, 1.0)),
    ],
)
def test_traffic_moves_in_the_steps_of_the_policy(
    config: dict[str, Any] | None, steps: tuple[float, ...]
) -> None:
    from kennel.local.aws.serving.rollout import Plan

    assert Plan.of(config).steps == pytest.approx(steps)


@pytest.mark.parametrize(
    ("breaching", "missing", "needed", "state"),
    [
        ([True, True], "notBreaching", 2, "ALARM"),
        ([True, False], "notBreaching", 2, "OK"),
        ([True, False], "notBreaching", 1, "ALARM"),
        ([True, None], "notBreaching", 2, "OK"),
        ([True, None], "breaching", 2, "ALARM"),
        ([None, None], "breaching", 2, "ALARM"),
        ([None, None], "notBreaching", 1, "OK"),
        ([None, None], "ignore", 1, None),
        ([None, None], "missing", 1, "INSUFFICIENT_DATA"),
        ([], None, 1, "INSUFFICIENT_DATA"),
    ],
)
def test_missing_data_counts_as_the_alarm_says(
    breaching: list[bool | None], missing: str | None, needed: int, state: str | None
) -> None:
    from kennel.local.aws.serving.alarms import state_of

    assert state_of(breaching, missing, needed) == state


@pytest.mark.parametrize(
    ("name", "value"),
    [("Sum", 10), ("Average", 2.5), ("Minimum", 1), ("Maximum", 4), ("SampleCount", 4),
     ("p50", 2), ("p99", 4), ("p0", 1)],
)  # fmt: skip
def test_statistics(name: str, value: float) -> None:
    assert statistic(name, [4, 1, 3, 2]) == value
    assert statistic(name, []) is None


def test_a_clock_that_is_faster_is_told_apart_from_the_wall() -> None:
    clock = Clock(1000)
    before = clock.now()
    clock.sleep(20)
    passed = clock.now() - before
    assert passed >= 20
    assert clock.moment(before + 1000) - clock.moment(before) == pytest.approx(1)
    assert abs(clock.shown(clock.moment(before)) - before) < 0.01
    with pytest.raises(ValueError, match="speed is 0"):
        Clock(0)
