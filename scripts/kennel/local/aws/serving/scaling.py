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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
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
from kennel.local.aws.serving.alarms import NAMESPACE, Alarms, calls
from kennel.local.aws.serving.decision import COOLDOWN, Past, Wish, decided
from kennel.local.aws.serving.endpoints import Endpoints
from kennel.local.aws.serving.fleet import Variant
from kennel.local.aws.serving.registered import DIMENSION
from kennel.local.aws.serving.schedule import schedule_of

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
        """An alarm that rings has all policies of the targets asked that its actions name."""
        for resource in {p.resource_id for p in self._policies() if calls(alarm, p.policy_arn)}:
            with self._lock:
                self._follow(resource, alarm)

    def _follow(self, resource: str, alarm: Alarm) -> None:
        target = self._backend.targets.get(DIMENSION, {}).get(resource)
        variant = self._variant(resource)
        if target is None or variant is None:
            return
        now, current = self._house.clock.now(), variant.desired
        wishes = [
            wish
            for policy in self._policies()
            if policy.resource_id == resource
            for wish in wishes_of(policy, self._alarms.calling(policy.policy_arn))
        ]
        if not wishes:
            return
        wanted = within(target, decided(current, wishes, self._past[resource], now))
        way = "DynamicScalingOut" if wanted > current else "DynamicScalingIn"
        if wanted != current and not suspended(target, way):
            cause = f"monitor alarm {alarm.name} in state ALARM"
            self._set(target, variant, wanted, cause, max(e.out_cooldown for e in wishes))

    def _set(
        self,
        target: FakeScalableTarget,
        variant: Variant,
        wanted: int,
        cause: str,
        cooldown: float = 0,
    ) -> None:
        _, endpoint, _, name = target.resource_id.split("/")
        before = variant.desired
        try:
            self._endpoints.scale(endpoint, {name: wanted}, {})
        except ValidationError:
            return  # blocked while the endpoint is updated
        past, now = self._past[target.resource_id], self._house.clock.now()
        if wanted > before:
            past.grew(now, before, cooldown)
        else:
            past.shrank(now)
        text = f"Setting desired instance count to {wanted}."
        log.info("%s: %s (%s)", target.resource_id, text, cause)
        self.activities.appendleft(Activity(target.resource_id, cause, text, time.time()))

    def _policies(self) -> list[FakeApplicationAutoscalingPolicy]:
        kept = self._backend.policies.values()
        return [each for each in list(kept) if each.scalable_dimension == DIMENSION]

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


def wishes_of(
    policy: FakeApplicationAutoscalingPolicy, ringing: Sequence[tuple[Alarm, float]]
) -> Iterator[Wish]:
    """What a policy asks for, by those of its alarms that ring and their values."""
    if tracking := policy.target_tracking_scaling_policy_configuration:
        yield from tracked(tracking, ringing)
    elif steps := policy.step_scaling_policy_configuration:
        pause = float(steps.get("Cooldown", COOLDOWN))
        for alarm, value in ringing:
            yield Wish(partial(stepped, steps, alarm, value=value), pause, pause)


def tracked(config: Mapping[str, Any], ringing: Sequence[tuple[Alarm, float]]) -> Iterator[Wish]:
    """As many as bring the metric to its target. Who may not take away has no say in it."""
    higher = [value for alarm, value in ringing if "-AlarmHigh-" in alarm.name]
    lower = [value for alarm, value in ringing if "-AlarmLow-" in alarm.name]

    def asked(current: int) -> int:
        if not higher and not lower:
            return current
        value = max(higher or lower)
        proportional = math.ceil(current * value / float(config["TargetValue"]))
        return max(current, proportional) if higher else min(current, proportional)

    if higher or not config.get("DisableScaleIn"):
        yield Wish(
            asked,
            float(config.get("ScaleOutCooldown", COOLDOWN)),
            float(config.get("ScaleInCooldown", COOLDOWN)),
        )


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
