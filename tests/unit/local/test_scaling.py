"""What autoscaling decides: the largest wish wins, and cooldowns hold it back."""

import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from kennel.local.aws.serving.decision import Past, Wish, decided
from kennel.local.aws.serving.measures import Measures, Series

RESOURCE = "endpoint/model/variant/live"
INVOCATIONS = "SageMakerVariantInvocationsPerInstance"
REQUESTS = "SageMakerVariantConcurrentRequestsPerModelHighResolution"


def times(factor: float) -> Wish:
    return Wish(lambda current: round(current * factor), out_cooldown=60, in_cooldown=120)


def test_without_a_wish_the_count_stays() -> None:
    assert decided(3, [], Past(), 0) == 3


@pytest.mark.parametrize(
    ("factors", "count"),
    [((2, 3), 12), ((0.5, 0.25), 2), ((0.5, 1), 4), ((0.5, 2), 8)],
)
def test_the_largest_wish_wins(factors: tuple[float, ...], count: int) -> None:
    """So a policy that is content keeps the others from taking away."""
    assert decided(4, [times(each) for each in factors], Past(), 0) == count


def test_in_a_cooldown_only_a_larger_growth_passes_and_counts_what_was_added() -> None:
    past = Past()
    past.grew(1000, before=1, cooldown=60)  # to 4
    assert decided(4, [times(4)], past, 1059) == 4
    assert decided(4, [times(6)], past, 1059) == 6
    past.grew(1059, before=4, cooldown=60)  # to 6, and still in the spell that began with 1
    assert decided(6, [times(6)], past, 1118) == 6
    assert decided(6, [times(6)], past, 1119) == 36


def test_growth_does_not_wait_for_a_cooldown_of_shrinking_and_ends_it() -> None:
    past = Past()
    past.shrank(1000)
    assert decided(4, [times(0.5)], past, 1119) == 4
    assert decided(4, [times(0.5)], past, 1120) == 2
    assert decided(4, [times(2)], past, 1001) == 8
    past.grew(1001, before=4, cooldown=60)
    assert decided(8, [times(0.5)], past, 1002) == 4


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.shown = 1_000_000.0

    def now(self) -> float:
        return self.shown


class Variants:
    """One endpoint with one variant, which has at once what it is to have."""

    def __init__(self, count: int) -> None:
        self.live = SimpleNamespace(desired=count)
        fleet = SimpleNamespace(variants={"live": self.live})
        self._endpoint = SimpleNamespace(name="model", status="InService", fleet=fleet)

    def __iter__(self) -> Iterator[Any]:
        yield self._endpoint

    def scale(self, _: str, counts: dict[str, int], __: dict[str, float]) -> None:
        self.live.desired = counts["live"]


class Account:
    """Autoscaling with its alarms, over measures that a test makes."""

    def __init__(self, number: str) -> None:
        from moto.applicationautoscaling.models import applicationautoscaling_backends
        from moto.cloudwatch.models import cloudwatch_backends

        from kennel.local.aws.serving.alarms import Alarms
        from kennel.local.aws.serving.registered import DIMENSION
        from kennel.local.aws.serving.scaling import Scaling

        self.clock = Hand()
        self.house: Any = SimpleNamespace(account=number, region="eu-west-1", clock=self.clock)
        self.measures = Measures(self.clock)  # type: ignore[arg-type]
        self.alarms = Alarms(self.house, self.measures)
        self.endpoints: Any = Variants(2)
        self.scaling = Scaling(self.house, self.endpoints, self.alarms)
        self.dimension = DIMENSION
        self.cloudwatch = cloudwatch_backends[number]["eu-west-1"]
        self.backend = applicationautoscaling_backends[number]["eu-west-1"]
        self.backend.register_scalable_target(
            "sagemaker", RESOURCE, DIMENSION, 1, 20, "", suspended_state=""
        )

    @property
    def count(self) -> int:
        return int(self.endpoints.live.desired)

    def policy(self, kind: str, body: dict[str, Any]) -> Any:
        return self.backend.put_scaling_policy(
            f"p{len(self.backend.policies)}", "sagemaker", RESOURCE, self.dimension, body, kind
        )

    def track(self, kind: str, target: float, **more: Any) -> None:
        from kennel.local.aws.serving.scaling import tracking_alarms

        specified = {"PredefinedMetricType": kind}
        body = {"TargetValue": target, "PredefinedMetricSpecification": specified, **more}
        tracking_alarms(self.house, self.policy("TargetTrackingScaling", body))

    def pass_minutes(self, count: int, **measured: float) -> None:
        """Minutes in each of whose spells of ten seconds the metrics have these values."""
        for _ in range(count * 6):
            for metric, value in measured.items():
                self.measures.add(Series(metric, "model", "config", "live"), value)
            self.clock.shown += 10
        self.alarms.judge()


NUMBERS = itertools.count(100_000_000_000)


@pytest.fixture
def account() -> Account:
    return Account(str(next(NUMBERS)))


def test_invocations_are_counted_per_instance_and_minute(account: Account) -> None:
    account.track(INVOCATIONS, 120)
    account.pass_minutes(3, InvocationsPerInstance=20)  # 120 a minute: on target
    assert account.count == 2
    account.pass_minutes(3, InvocationsPerInstance=50)  # 300 a minute: two and a half times
    assert account.count == 5


def test_cooldowns_of_tracking_hold_back_what_is_not_larger(account: Account) -> None:
    account.track(INVOCATIONS, 120, ScaleOutCooldown=600, ScaleInCooldown=900)
    account.pass_minutes(3, InvocationsPerInstance=50)
    assert account.count == 5
    account.pass_minutes(3, InvocationsPerInstance=50)
    assert account.count == 5
    account.pass_minutes(3, InvocationsPerInstance=80)  # four times of two
    assert account.count == 8
    account.pass_minutes(15, InvocationsPerInstance=10)
    assert account.count == 4
    account.pass_minutes(14, InvocationsPerInstance=10)
    assert account.count == 4
    account.pass_minutes(1, InvocationsPerInstance=10)
    assert account.count == 2


def test_an_instance_goes_when_both_policies_can_spare_it(account: Account) -> None:
    account.endpoints.live.desired = 8
    account.track(INVOCATIONS, 120)
    account.track(REQUESTS, 4)
    account.pass_minutes(15, InvocationsPerInstance=5, ConcurrentRequestsPerModel=4)
    assert account.count == 8
    account.pass_minutes(15, InvocationsPerInstance=5, ConcurrentRequestsPerModel=2)
    assert account.count == 4


def test_who_may_not_take_away_does_not_keep_others_from_it(account: Account) -> None:
    account.endpoints.live.desired = 8
    account.track(INVOCATIONS, 120)
    account.track(REQUESTS, 4, DisableScaleIn=True)
    account.pass_minutes(15, InvocationsPerInstance=5, ConcurrentRequestsPerModel=4)
    assert account.count == 2


def test_steps_and_tracking_together_give_the_larger(account: Account) -> None:
    steps = [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 7}]
    body = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps}
    policy = account.policy("StepScaling", body)
    account.track(INVOCATIONS, 120)
    account.cloudwatch.put_metric_alarm(
        name="many",
        namespace="AWS/SageMaker",
        metric_name="InvocationsPerInstance",
        comparison_operator="GreaterThanThreshold",
        evaluation_periods=1,
        period=60,
        threshold=200,
        statistic="Sum",
        description="",
        dimensions=[{"Name": "EndpointName", "Value": "model"}],
        alarm_actions=[policy.policy_arn],
    )
    account.pass_minutes(3, InvocationsPerInstance=50)  # tracking would have 5
    assert account.count == 9


def test_an_alarm_on_an_expression_is_left_as_it_is_and_keeps_no_other_from_ringing(
    account: Account,
) -> None:
    backend = account.cloudwatch
    usual = {"comparison_operator": "GreaterThanThreshold", "evaluation_periods": 1, "threshold": 1}
    usual |= {"description": "", "dimensions": [], "alarm_actions": []}
    nothing = dict.fromkeys(("namespace", "metric_name", "period", "statistic"))
    backend.put_metric_alarm(name="sum", **nothing, **usual)
    many = {"namespace": "AWS/SageMaker", "metric_name": "Invocations", "statistic": "Sum"}
    backend.put_metric_alarm(name="many", period=60, **many, **usual)
    account.pass_minutes(1, Invocations=5)
    assert account.alarms.ringing(["sum", "many"]) == ["many"]
    backend.set_alarm_state("sum", "because", "{}", "ALARM")
    assert account.alarms.ringing(["sum", "many"]) == ["sum", "many"]
