"""CloudWatch for moto: the metrics of endpoints, as its clients ask for them, and alarms on them
that can be judged; others are refused, each for what it asks."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import MetricAggregatedDatum
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.common_models import CloudWatchMetricProvider

from kennel.local.aws.house import House
from kennel.local.aws.serving.alarms import COMPARISONS, NAMESPACE
from kennel.local.aws.serving.measures import Measures, Series, statistic


def install(house: House) -> None:
    measures = house.the(Measures)

    class EndpointMetrics(CloudWatchMetricProvider):
        """moto asks every subclass of the provider that there is."""

        @staticmethod
        def get_cloudwatch_metrics(account_id: str, region: str) -> list[MetricAggregatedDatum]:
            if (account_id, region) != (house.account, house.region):
                return []
            return [
                datum(series, values, house.clock.moment(began))
                for series, began, values in measures.spells()
            ]

    measures.provider = EndpointMetrics  # kept: moto finds subclasses as long as they live

    put = CloudWatchResponse.put_metric_alarm

    def put_metric_alarm(self: CloudWatchResponse) -> Any:
        check(self._get_param)
        return put(self)

    setattr(CloudWatchResponse, "put_metric_alarm", put_metric_alarm)  # noqa: B010


def check(given: Callable[[str], Any]) -> None:
    operator = given("ComparisonOperator")
    if given("ThresholdMetricId") or (operator and operator not in COMPARISONS):
        raise ValidationError(
            f"The local AWS does not have anomaly detection (ThresholdMetricId, {operator})."
        )
    if given("Namespace") != NAMESPACE or not given("MetricName"):
        return  # which is kept, and not judged
    asked = given("Statistic") or given("ExtendedStatistic")
    needed = {"Threshold": given("Threshold"), "Period": given("Period"), "Statistic": asked}
    for name, value in needed.items():
        if value is None:
            raise ValidationError(f"{name} must be given for an alarm on a metric.")
    try:
        statistic(asked, [0.0])
    except ValueError:
        raise ValidationError(f"The local AWS does not have the statistic {asked!r}.") from None


def datum(series: Series, values: list[float], at: float) -> MetricAggregatedDatum:
    shown = {"EndpointName": series.endpoint, "VariantName": series.variant}
    return MetricAggregatedDatum(
        namespace=NAMESPACE,
        name=series.metric,
        min_stat=min(values),
        max_stat=max(values),
        sample_count=len(values),
        sum_stat=sum(values),
        dimensions=[{"Name": name, "Value": value} for name, value in shown.items()],
        timestamp=datetime.fromtimestamp(at, UTC).replace(tzinfo=None),
    )
