"""Step adjustments and limits, as application autoscaling applies them."""

from types import SimpleNamespace
from typing import Any

import pytest

ALARM: Any = SimpleNamespace(threshold=12)
STEPS = [
    {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 2},
    {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 4},
    {"MetricIntervalUpperBound": -5, "ScalingAdjustment": -1},
]


@pytest.mark.parametrize(
    ("kind", "value", "capacity"),
    [
        ("ChangeInCapacity", 12, 5),  # the lower bound belongs to the step, the upper does not
        ("ChangeInCapacity", 21.9, 5),
        ("ChangeInCapacity", 22, 7),
        ("ChangeInCapacity", 6, 2),
        ("ChangeInCapacity", 8, 3),  # between the steps
        ("ExactCapacity", 30, 4),
        ("PercentChangeInCapacity", 12, 3),  # 2 % of 3
    ],
)
def test_the_step_of_the_breach_decides(kind: str, value: float, capacity: int) -> None:
    from kennel.local.aws.serving.scaling import stepped

    config = {"AdjustmentType": kind, "StepAdjustments": STEPS}
    assert stepped(config, ALARM, 3, value) == capacity


@pytest.mark.parametrize(("count", "kept"), [(0, 1), (1, 1), (3, 3), (9, 4)])
def test_the_limits_of_the_target_hold(count: int, kept: int) -> None:
    from kennel.local.aws.serving.scaling import within

    target: Any = SimpleNamespace(min_capacity=1, max_capacity=4)
    assert within(target, count) == kept
