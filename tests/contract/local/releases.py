"""Releases for the emulated account: an artifact in S3, a model, a configuration, an endpoint."""

import io
import itertools
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.contract.local.conftest import REGION, Aws

BUCKET = "releases"
ROLE = "arn:aws:iam::123456789012:role/serving"
PAUSE = 0.02  # seconds between a caller's requests, for those who answer to have the processor
MOVING = ("Creating", "Updating", "RollingBack", "SystemUpdating", "Deleting")


def packed(model: Path, **replaced: bytes) -> bytes:
    """model.tar.gz of a model's folder, with some of its files replaced."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for path in sorted(each for each in model.rglob("*") if each.is_file()):
            name = str(path.relative_to(model))
            content = replaced.get(name, path.read_bytes())
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


class Releases:
    def __init__(self, aws: Aws, model: Path) -> None:
        self.aws, self.model = aws, model
        self.sagemaker, self.s3 = aws.client("sagemaker"), aws.client("s3")
        self._numbers = itertools.count(1)
        place = {"LocationConstraint": REGION}
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)

    def artifact(self, content: bytes | None = None) -> str:
        key = f"{next(self._numbers)}/model.tar.gz"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content or packed(self.model))
        return f"s3://{BUCKET}/{key}"

    def config(
        self, *variants: dict[str, Any], data: str = "", role: str = ROLE, **environment: str
    ) -> str:
        """A configuration of one new model; its variants differ in what is given for each."""
        name = f"release-{next(self._numbers)}"
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=role,
            PrimaryContainer={
                "Image": "serve",
                "ModelDataUrl": data or self.artifact(),
                "Environment": environment,
            },
        )
        given = {
            "VariantName": "live",
            "ModelName": name,
            "InstanceType": "ml.c7i.xlarge",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": 1,
        }
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[given | each for each in variants or ({},)]
        )
        return name

    def endpoint(self, name: str, *variants: dict[str, Any], **environment: str) -> dict[str, Any]:
        config = self.config(*variants, **environment)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return self.settled(name)

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return found

    def settled(self, name: str, seconds: float = 300) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (found := self.describe(name))["EndpointStatus"] in MOVING:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def alarm(self, name: str, endpoint: str, config: str) -> None:
        """Rings when one in twenty of a configuration's answers is a 5xx."""
        watched = {"EndpointConfigName": config, "EndpointName": endpoint, "VariantName": "live"}
        self.aws.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/SageMaker",
            MetricName="Invocation5XXErrors",
            Statistic="Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0.05,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
            Dimensions=[{"Name": key, "Value": value} for key, value in watched.items()],
        )


@dataclass
class Seen:
    """What the callers of a load got."""

    answers: Counter[str] = field(default_factory=Counter)
    errors: list[ClientError] = field(default_factory=list)


@contextmanager
def load(aws: Aws, endpoint: str, picture: bytes, callers: int = 2) -> Iterator[Seen]:
    """So many callers, each with one request after the other, until the block ends."""
    seen, over = Seen(), threading.Event()

    def call() -> None:
        runtime = aws.client("sagemaker-runtime")
        while not over.wait(PAUSE):
            try:
                answer = runtime.invoke_endpoint(
                    EndpointName=endpoint, Body=picture, ContentType="image/jpeg"
                )
                answer["Body"].read()
                seen.answers[answer["InvokedProductionVariant"]] += 1
            except ClientError as error:
                seen.errors.append(error)

    with beside(over, *[call] * callers):
        yield seen


@contextmanager
def beside(over: threading.Event, *actions: Callable[[], None]) -> Iterator[None]:
    """Each in a thread of its own; at the end of the block they are told that it is over."""
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
