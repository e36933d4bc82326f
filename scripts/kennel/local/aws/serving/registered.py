"""Whether application autoscaling holds a variant, as its register says."""

from moto.applicationautoscaling.models import applicationautoscaling_backends

from kennel.local.aws.house import House

DIMENSION = "sagemaker:variant:DesiredInstanceCount"


def resource_of(endpoint: str, variant: str) -> str:
    return f"endpoint/{endpoint}/variant/{variant}"


def registered(house: House, endpoint: str, variant: str) -> bool:
    targets = applicationautoscaling_backends[house.account][house.region].targets
    return resource_of(endpoint, variant) in targets.get(DIMENSION, {})
