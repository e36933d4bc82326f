"""Application autoscaling of endpoint variants: by target tracking, steps, schedule, within limits.

Target tracking is two alarms, as AWS makes them: over the target for three periods adds instances,
under nine tenths of it for fifteen minutes takes some away.
https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
"""

import logging
import math
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.applicationautoscaling.models import (
    FakeApplicationAutoscalingPolicy,
    FakeScalableTarget,
    FakeScheduledAction,
    applicationautoscaling_backends,
)
from moto.cloudwatch.models import Alarm, cloudwatch_backends
from moto.sagemaker.exceptions import ValidationError

from kennel.local.aws.house import House
from kennel.local.aws.serving.alarms import NAMESPACE, Alarms
from kennel.local.aws.serving.endpoints import Endpoints
from kennel.local.aws.serving.fleet import Variant
from kennel.local.aws.serving.registered import DIMENSION
from kennel.local.aws.serving.schedule import schedule_of

COOLDOWN = 300.0
LOW_SECONDS = 900
LOW_SHARE = 0.9
# What the predefined types stand for: metric, statistic, seconds of a period.
PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": ("InvocationsPerInstance", "Sum", 60),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": (
        "ConcurrentRequestsPerModel",
        "Average",
        10,
    ),
}
log = logging.getLogger("kennel.scaling")


@dataclass(frozen=True)
class Activity:
    """One change of capacity, as DescribeScalingActivities tells it."""

    resource: str
    cause: str
    description: str
    at: float
    status: str = "Successful"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class Past:
    """What was last done to a variant, in seconds of the clock."""

    out_at: float = -math.inf
    in_at: float = -math.inf


class Scaling:
    def __init__(self, house: House, endpoints: Endpoints, alarms: Alarms) -> None:
        self._house, self._endpoints, self._alarms = house, endpoints, alarms
        self.activities: deque[Activity] = deque(maxlen=1000)
        self._past: dict[str, Past] = defaultdict(Past)
        self._looked = house.clock.now()  # at the schedules
        self._lock = threading.Lock()
        alarms.listeners.append(self.on_alarm)

    @property
    def _backend(self) -> Any:
        return applicationautoscaling_backends[self._house.account][self._house.region]

    def keep_within(self) -> None:
        """A variant outside the limits of its target is brought inside at once."""
        for target in self._targets():
            variant = self._variant(target.resource_id)
            if variant and within(target, variant.desired) != variant.desired:
                self._set(target, variant, within(target, variant.desired), "limits changed")

    def keep_schedules(self) -> None:
        """Scheduled actions that are due set the limits of their target, for `keep_within`."""
        after, self._looked = self._looked, self._house.clock.now()
        for action in self._backend.scheduled_actions:
            target = self._backend.targets.get(DIMENSION, {}).get(action.resource_id)
            made = self._house.clock.shown(action.creation_time)
            is_due = due(action, made, after, self._looked)
            if target and is_due and not suspended(target, "Scheduled"):
                self._limit(target, action)

    def _limit(self, target: FakeScalableTarget, action: FakeScheduledAction) -> None:
        limits: Any = action.scalable_target_action
        target.update(limits.get("MinCapacity"), limits.get("MaxCapacity"), None)  # type: ignore[arg-type]
        text = f"Setting min capacity to {target.min_capacity} and max to {target.max_capacity}"
        cause = f"scheduled action name {action.scheduled_action_name} was triggered"
        log.info("%s: %s (%s)", target.resource_id, text, cause)
        self.activities.appendleft(Activity(target.resource_id, cause, text, time.time()))

    def on_alarm(self, alarm: Alarm) -> None:
        """An alarm that rings asks the policies that its actions name."""
        for policy in list(self._backend.policies.values()):
            if any(action.startswith(policy.policy_arn) for action in alarm.alarm_actions):
                with self._lock:
                    self._follow(policy, alarm)

    def _follow(self, policy: FakeApplicationAutoscalingPolicy, alarm: Alarm) -> None:
        target = self._backend.targets.get(DIMENSION, {}).get(policy.resource_id)
        variant = self._variant(policy.resource_id)
        [value] = self._alarms.values(alarm, 1)
        if target is None or variant is None or value is None:
            return
        past, now = self._past[policy.resource_id], self._house.clock.now()
        wanted = within(target, self._wanted(policy, alarm, variant.desired, value))
        tracking = policy.target_tracking_scaling_policy_configuration or {}
        if policy.step_scaling_policy_configuration:
            pause = float(policy.step_scaling_policy_configuration.get("Cooldown") or COOLDOWN)
            quiet = now >= max(past.out_at, past.in_at) + pause
        elif wanted > variant.desired:
            quiet = now >= past.out_at + float(tracking.get("ScaleOutCooldown", COOLDOWN))
        else:
            pause = float(tracking.get("ScaleInCooldown", COOLDOWN))
            quiet = now >= past.in_at + pause and not tracking.get("DisableScaleIn")
        way = "DynamicScalingOut" if wanted > variant.desired else "DynamicScalingIn"
        if quiet and wanted != variant.desired and not suspended(target, way):
            self._set(target, variant, wanted, f"monitor alarm {alarm.name} in state ALARM")

    def _wanted(
        self, policy: FakeApplicationAutoscalingPolicy, alarm: Alarm, current: int, value: float
    ) -> int:
        """The capacity that a policy asks for at this value of its metric."""
        if policy.step_scaling_policy_configuration:
            return stepped(policy.step_scaling_policy_configuration, alarm, current, value)
        config = policy.target_tracking_scaling_policy_configuration or {}
        proportional = math.ceil(current * value / float(config["TargetValue"]))
        if "-AlarmHigh-" in alarm.name:
            return max(current, proportional)
        return min(current, proportional)

    def _set(self, target: FakeScalableTarget, variant: Variant, wanted: int, cause: str) -> None:
        _, endpoint, _, name = target.resource_id.split("/")
        before = variant.desired
        try:
            self._endpoints.scale(endpoint, {name: wanted}, {})
        except ValidationError:
            return  # blocked while the endpoint is updated
        now = self._house.clock.now()
        past = self._past[target.resource_id]
        past.out_at, past.in_at = (now, past.in_at) if wanted > before else (past.out_at, now)
        text = f"Setting desired instance count to {wanted}."
        log.info("%s: %s (%s)", target.resource_id, text, cause)
        self.activities.appendleft(Activity(target.resource_id, cause, text, time.time()))

    def _targets(self) -> list[FakeScalableTarget]:
        return list(self._backend.targets.get(DIMENSION, {}).values())

    def _variant(self, resource: str) -> Variant | None:
        """The variant, if its endpoint is at rest: only then may it be scaled."""
        _, name, _, variant = resource.split("/")
        for endpoint in self._endpoints:
            if endpoint.name == name and endpoint.status == "InService":
                return endpoint.fleet.variants.get(variant)
        return None


def suspended(target: FakeScalableTarget, what: str) -> bool:
    """Whether RegisterScalableTarget has put a kind of scaling to sleep."""
    state: Any = target.suspended_state or {}
    name = f"{what}ScalingSuspended" if what == "Scheduled" else f"{what}Suspended"
    return bool(state.get(name))


def due(action: FakeScheduledAction, made: float, after: float, until: float) -> bool:
    """Whether it became time in between for a scheduled action that was made then."""
    start, end = float(action.start_time or 0), float(action.end_time or math.inf)
    schedule = schedule_of(action.schedule, action.timezone, start or made)
    return schedule.due(max(after, start), min(until, end))


def within(target: FakeScalableTarget, count: int) -> int:
    return max(int(target.min_capacity or 0), min(int(target.max_capacity or count), count))


def stepped(config: Mapping[str, Any], alarm: Alarm, current: int, value: float) -> int:
    """https://docs.aws.amazon.com/autoscaling/application/APIReference/API_StepAdjustment.html"""
    over = value - float(alarm.threshold)
    for step in config.get("StepAdjustments", []):
        lower = step.get("MetricIntervalLowerBound", -math.inf)
        upper = step.get("MetricIntervalUpperBound", math.inf)
        if float(lower) <= over < float(upper):
            change = int(step["ScalingAdjustment"])
            match config.get("AdjustmentType"):
                case "ExactCapacity":
                    return change
                case "PercentChangeInCapacity":
                    return current + round(current * change / 100)
            return current + change
    return current


def tracking_alarms(house: House, policy: FakeApplicationAutoscalingPolicy) -> list[Alarm]:
    """The two alarms of a target-tracking policy on a variant."""
    config = policy.target_tracking_scaling_policy_configuration or {}
    kind = (config.get("PredefinedMetricSpecification") or {}).get("PredefinedMetricType")
    if kind not in PREDEFINED or policy.scalable_dimension != DIMENSION:
        return []
    metric, statistic, period = PREDEFINED[kind]
    _, endpoint, _, variant = policy.resource_id.split("/")
    target = float(config["TargetValue"])

    def alarm(side: str, comparison: str, threshold: float, periods: int) -> Alarm:
        name = f"TargetTracking-{policy.resource_id}-Alarm{side}-{uuid.uuid4()}"
        action = f"{policy.policy_arn}:createdBy/{uuid.uuid4()}"
        return cloudwatch_backends[house.account][house.region].put_metric_alarm(
            name=name,
            namespace=NAMESPACE,
            metric_name=metric,
            comparison_operator=comparison,
            evaluation_periods=periods,
            period=period,
            threshold=threshold,
            statistic=statistic,
            description=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {action}.",
            dimensions=[
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": variant},
            ],
            alarm_actions=[action],
        )

    low = LOW_SECONDS // period
    return [
        alarm("High", "GreaterThanThreshold", target, 3),
        alarm("Low", "LessThanThreshold", target * LOW_SHARE, low),
    ]
