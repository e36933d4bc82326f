"""What a root has to ask SageMaker itself about its endpoint, because the provider does not."""

import time
from typing import Any, Protocol

from botocore.exceptions import ClientError

PAUSE = 10.0  # seconds
AT_REST = {"InService", "Failed", "OutOfService"}


class SageMaker(Protocol):
    def describe_endpoint(self, *, EndpointName: str) -> dict[str, Any]: ...  # noqa: N803
    def delete_endpoint(self, *, EndpointName: str) -> dict[str, Any]: ...  # noqa: N803


def described(sagemaker: SageMaker, endpoint: str) -> dict[str, Any] | None:
    """What SageMaker says of it; None if there is no endpoint."""
    try:
        return sagemaker.describe_endpoint(EndpointName=endpoint)
    except Exception as error:  # botocore makes its classes at run time
        if "Could not find endpoint" in str(error):
            return None
        raise


def running(sagemaker: SageMaker, endpoint: str) -> int | None:
    """How many instances serve now; None if there is no endpoint yet."""
    answer = described(sagemaker, endpoint) or {}
    variants = answer.get("ProductionVariants") or []
    return sum(int(each.get("DesiredInstanceCount") or 0) for each in variants) or None


def rolling_back(sagemaker: SageMaker, endpoint: str) -> bool:
    """Whether SageMaker goes back to the previous release, on which the provider just gives up."""
    try:
        answer = sagemaker.describe_endpoint(EndpointName=endpoint)
    except ClientError:
        return False  # what has failed is something else, and is told already
    return bool(answer["EndpointStatus"] == "RollingBack")


def end(sagemaker: SageMaker, endpoint: str, pause: float = PAUSE) -> None:
    """Delete what is left of it. SageMaker deletes none that is being scaled or updated, and the
    provider takes that refusal for "it is gone": it would serve, and cost, for ever."""
    said = ""
    while answer := described(sagemaker, endpoint):
        status = answer["EndpointStatus"]
        if status != said:
            print(f"endpoint {endpoint} is {status}: waiting until it is gone", flush=True)
            said = status
        if status in AT_REST:
            sagemaker.delete_endpoint(EndpointName=endpoint)
        time.sleep(pause)
