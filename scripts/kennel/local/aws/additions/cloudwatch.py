"""CloudWatch for moto: the metrics of endpoints, as its clients ask for them."""

from datetime import UTC, datetime

from moto.cloudwatch.models import MetricAggregatedDatum
from moto.core.common_models import CloudWatchMetricProvider

from kennel.local.aws.house import House
from kennel.local.aws.serving.alarms import NAMESPACE
from kennel.local.aws.serving.measures import Measures, Series


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
