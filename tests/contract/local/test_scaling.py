"""Application autoscaling of the emulated account: measured traffic starts and stops instances."""

import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.local.conftest import Aws
from tests.contract.local.releases import Releases, load
from tests.contract.local.test_endpoint_options import SLOW
from tests.contract.local.workload import program, wait_until

TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/busy/variant/live",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
MOST = 3  # more than one step away from one instance
KIND = "SageMakerVariantConcurrentRequestsPerModelHighResolution"


@pytest.fixture(scope="module")
def releases(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    model = tmp_path_factory.mktemp("model")
    (model / "weights").write_bytes(b"any")
    return Releases(aws, model)


@pytest.fixture
def slow(tmp_path: Path) -> dict[str, str]:
    """A server's environment: it takes its time for an answer, but nobody's processor."""
    return program(tmp_path, SLOW, "server")


def wait_for_count(releases: Releases, count: int, seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        found = releases.describe("busy")
        [variant] = found["ProductionVariants"]
        assert max(variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) <= MOST
        if (variant["CurrentInstanceCount"], found["EndpointStatus"]) == (count, "InService"):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_load_adds_instances_up_to_the_limit_and_silence_takes_them_away(
    aws: Aws, releases: Releases, slow: dict[str, str]
) -> None:
    scaling = aws.client("application-autoscaling")
    routing = {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}
    releases.endpoint("busy", {"RoutingConfig": routing}, **slow)
    arn = scaling.register_scalable_target(
        **TARGET, MinCapacity=1, MaxCapacity=MOST, Tags={"Project": "kennel"}
    )["ScalableTargetARN"]
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"Project": "kennel"}
    policy = scaling.put_scaling_policy(
        **TARGET,
        PolicyName="load",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 0.5,
            "PredefinedMetricSpecification": {"PredefinedMetricType": KIND},
            "ScaleInCooldown": 60,
            "ScaleOutCooldown": 60,
        },
    )
    assert len(policy["Alarms"]) == 2

    with load(aws, "busy", b"0.2", callers=4) as seen:
        wait_for_count(releases, MOST, 300)
    assert seen.errors == []
    began = time.monotonic()
    wait_for_count(releases, 1, 300)
    assert time.monotonic() - began > 10  # fifteen minutes by a clock that is 60 times as fast

    told = scaling.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
    counts = [int(each["Description"].rstrip(".").split()[-1]) for each in reversed(told)]
    assert counts in ([2, MOST, 1], [MOST, 1])  # by what the first alarm saw of the load

    # While it is registered it keeps its instance type; with the endpoint goes the registration.
    other = releases.config({"InstanceType": "ml.c7i.2xlarge"})
    with pytest.raises(ClientError, match="deregistered"):
        releases.sagemaker.update_endpoint(EndpointName="busy", EndpointConfigName=other)
    releases.sagemaker.delete_endpoint(EndpointName="busy")
    with pytest.raises(ClientError, match="Could not find endpoint"):
        releases.settled("busy")
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


def test_what_does_not_exist_cannot_be_registered(aws: Aws) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        aws.client("application-autoscaling").register_scalable_target(
            **TARGET | {"ResourceId": "endpoint/nobody/variant/live"}, MinCapacity=1, MaxCapacity=2
        )


def test_a_schedule_changes_the_limits_and_with_them_the_count(
    aws: Aws, releases: Releases, slow: dict[str, str]
) -> None:
    scaling = aws.client("application-autoscaling")
    target = TARGET | {"ResourceId": "endpoint/planned/variant/live"}
    releases.endpoint("planned", **slow)
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=1)
    for wrong in ("cron(0 7 * * * *)", "at dawn"):
        with pytest.raises(ClientError, match="Schedule"):
            scaling.put_scheduled_action(**target, ScheduledActionName="no", Schedule=wrong)
    scaling.put_scheduled_action(
        **target,
        ScheduledActionName="morning",
        Schedule="rate(1 minute)",
        ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 3},
    )

    def count() -> int:
        return int(releases.describe("planned")["ProductionVariants"][0]["CurrentInstanceCount"])

    wait_until(lambda: count() == 2)
    [found] = scaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[target["ResourceId"]]
    )["ScalableTargets"]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (2, 3)
    told = scaling.describe_scaling_activities(
        ServiceNamespace="sagemaker", ResourceId=target["ResourceId"]
    )["ScalingActivities"]
    assert "scheduled action name morning was triggered" in [each["Cause"] for each in told]
    releases.sagemaker.delete_endpoint(EndpointName="planned")


def test_metrics_that_are_not_measured_cannot_be_tracked(aws: Aws) -> None:
    custom = {"MetricName": "Load", "Namespace": "Ours", "Statistic": "Average"}
    with pytest.raises(ClientError, match="local AWS tracks SageMakerVariant"):
        aws.client("application-autoscaling").put_scaling_policy(
            **TARGET,
            PolicyName="custom",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 1,
                "CustomizedMetricSpecification": custom,
            },
        )


ALARM = {
    "AlarmName": "odd",
    "Namespace": "AWS/SageMaker",
    "MetricName": "Invocation5XXErrors",
    "ComparisonOperator": "GreaterThanThreshold",
    "EvaluationPeriods": 1,
    "Period": 60,
    "Statistic": "Average",
    "Threshold": 0.05,
}
BAND = "LessThanLowerOrGreaterThanUpperThreshold"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"ComparisonOperator": BAND, "ThresholdMetricId": "band"}, "anomaly detection .*Upper"),
        ({"Threshold": None}, "Threshold must be given"),
        ({"Period": None}, "Period must be given"),
        ({"Statistic": None}, "Statistic must be given"),
        ({"Statistic": None, "ExtendedStatistic": "tm90"}, "not have the statistic 'tm90'"),
    ],
)
def test_an_alarm_that_cannot_be_judged_is_refused(
    aws: Aws, change: dict[str, Any], what: str
) -> None:
    asked = {name: value for name, value in (ALARM | change).items() if value is not None}
    with pytest.raises(ClientError, match=f"ValidationError.*{what}"):
        aws.client("cloudwatch").put_metric_alarm(**asked)
