"""CloudWatch's alarms on endpoints, judged by what was measured; moto never looks at a metric."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from moto.cloudwatch.models import Alarm, cloudwatch_backends

from kennel.local.aws.clock import Clock
from kennel.local.aws.house import House
from kennel.local.aws.serving.measures import SPELL, Measures, statistic

NAMESPACE = "AWS/SageMaker"
LOOK_BACK = 2  # times the periods asked for: a busy machine may miss to measure in some
SKIPPED = (None, "missing")
Listener = Callable[[Alarm], None]
log = logging.getLogger("kennel.alarms")

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, limit: value > limit,
    "GreaterThanOrEqualToThreshold": lambda value, limit: value >= limit,
    "LessThanThreshold": lambda value, limit: value < limit,
    "LessThanOrEqualToThreshold": lambda value, limit: value <= limit,
}


class Alarms:
    """Judges the alarms every few seconds; listeners hear of those that ring."""

    def __init__(self, house: House, measures: Measures) -> None:
        self._house, self._measures = house, measures
        self._clock: Clock = house.clock
        self.listeners: list[Listener] = []

    @property
    def _backend(self) -> Any:
        return cloudwatch_backends[self._house.account][self._house.region]

    def ringing(self, names: Sequence[str]) -> list[str]:
        """Those of these alarms that are in ALARM, judged now if they are on endpoints."""
        alarms = [self._backend.alarms[name] for name in names if name in self._backend.alarms]
        for alarm in filter(on_endpoints, alarms):
            self._judge(alarm)
        return [alarm.name for alarm in alarms if alarm.state_value == "ALARM"]

    def judge(self) -> None:
        for alarm in list(self._backend.alarms.values()):
            if on_endpoints(alarm):
                self._judge(alarm)
                if alarm.state_value == "ALARM" and alarm.actions_enabled:
                    for listen in self.listeners:
                        listen(alarm)

    def calling(self, arn: str) -> list[tuple[Alarm, float]]:
        """Those that ring and call this policy, with what was measured last."""
        alarms = list(self._backend.alarms.values())
        ringing = [e for e in alarms if e.state_value == "ALARM" and calls(e, arn)]
        latest = [(alarm, self.values(alarm, 1)[0]) for alarm in ringing]
        return [(alarm, value) for alarm, value in latest if value is not None]

    def values(self, alarm: Alarm, periods: int) -> list[float | None]:
        """The alarm's statistic in each of the last periods, the latest first.

        A period ends when the last spell was complete, not when a minute was: what happens is
        seen a little sooner than on AWS.
        """
        dimensions = {each.name: each.value for each in alarm.dimensions}
        now = self._clock.now() // SPELL * SPELL
        name = alarm.statistic or alarm.extended_statistic or "Average"
        return [
            statistic(
                name,
                self._measures.values(
                    alarm.metric_name,
                    dimensions,  # type: ignore[arg-type] # moto lets them be None
                    now - (number + 1) * alarm.period,
                    now - number * alarm.period,
                ),
            )
            for number in range(periods)
        ]

    def _judge(self, alarm: Alarm) -> None:
        periods = int(alarm.evaluation_periods)
        values = self.values(alarm, periods * LOOK_BACK)
        # Where nothing is said of missing data, older values take its place, as on AWS.
        if alarm.treat_missing_data in SKIPPED:
            values = [each for each in values if each is not None]
        values = values[:periods]
        compare = COMPARISONS[alarm.comparison_operator]
        breaching = [
            None if value is None else compare(value, float(alarm.threshold)) for value in values
        ]
        state = state_of(breaching, alarm.treat_missing_data, alarm.datapoints_to_alarm or periods)
        state = state or alarm.state_value
        if state != alarm.state_value:
            log.info("alarm %s: %s %s", alarm.name, state, values[:3])
            alarm.update_state(f"Threshold Crossed: {values}", "{}", state)


def on_endpoints(alarm: Alarm) -> bool:
    """Others, such as those on expressions, stay as SetAlarmState leaves them."""
    return bool(alarm.namespace == NAMESPACE and alarm.metric_name)


def calls(alarm: Alarm, arn: str) -> bool:
    """Whether an alarm's actions name this policy."""
    return alarm.actions_enabled and any(each.startswith(arn) for each in alarm.alarm_actions)


def state_of(breaching: Iterable[bool | None], missing: str | None, needed: int) -> str | None:
    """OK, ALARM or INSUFFICIENT_DATA; None to stay as it is.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    known = [each for each in breaching if each is not None]
    absent = sum(1 for each in breaching if each is None)
    match missing or "missing":
        case "breaching":
            bad = sum(known) + absent
        case "notBreaching":
            bad = sum(known)
        case "ignore":
            if not known:
                return None
            bad = sum(known)
        case _:
            if not known:
                return "INSUFFICIENT_DATA"
            bad = sum(known)
    return "ALARM" if bad >= needed else "OK"
