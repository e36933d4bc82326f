"""Small jobs for the emulated SageMaker, and small programs for them to run.

A program takes the trainer's or the server's place: the process runner starts `python -m trainer`,
and the job's environment says where that is looked for first.
"""

import io
import json
import tarfile
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from kennel.local.aws.shapes import faults_of
from tests.contract.local.conftest import Aws

ROLE = "arn:aws:iam::123456789012:role/trainer"
GROUP = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
HEAD = """
import json, os, signal, sys, time
from pathlib import Path
ml = Path(os.environ["KENNEL_ML_ROOT"])
if (ml / "input").exists():
    settings = json.loads((ml / "input/config/hyperparameters.json").read_text())
    here = json.loads((ml / "input/config/resourceconfig.json").read_text())
"""


def program(folder: Path, text: str, package: str = "trainer") -> dict[str, str]:
    """The environment in which a text is the trainer, or the server."""
    folder = folder / uuid.uuid4().hex
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").touch()
    (folder / package / "__main__.py").write_text(HEAD + textwrap.dedent(text))
    return {"PYTHONPATH": str(folder)}


class Jobs:
    """Training jobs with as little said of them as can be."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.sagemaker = aws.client("sagemaker")
        self.sagemaker.meta.events.register("before-parse.sagemaker", conform)
        self.s3 = aws.client("s3")
        self.bucket = f"jobs-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(
            Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )

    def put(self, key: str, content: bytes = b"") -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    def get(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def keys(self, prefix: str = "") -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [each["Key"] for each in found]

    def request(self, environment: dict[str, str], **more: Any) -> dict[str, Any]:
        algorithm = {"TrainingImage": "train", "TrainingInputMode": "File"}
        algorithm |= more.pop("AlgorithmSpecification", {})
        resources = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
        return {
            "TrainingJobName": f"job-{uuid.uuid4().hex[:8]}",
            "AlgorithmSpecification": algorithm,
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/output"},
            "ResourceConfig": resources | more.pop("ResourceConfig", {}),
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "Environment": environment,
            **more,
        }

    def start(self, environment: dict[str, str], **more: Any) -> str:
        request = self.request(environment, **more)
        answer = self.sagemaker.create_training_job(**request)
        name = str(request["TrainingJobName"])
        assert answer["TrainingJobArn"].endswith(f":training-job/{name}")
        return name

    def describe(self, name: str) -> dict[str, Any]:
        return dict(self.sagemaker.describe_training_job(TrainingJobName=name))

    def until(self, name: str, *wanted: str, seconds: float = 300) -> dict[str, Any]:
        """Wait until the (secondary) status is one of these."""
        deadline = time.monotonic() + seconds
        while True:
            job = self.describe(name)
            if job["TrainingJobStatus"] in wanted or job["SecondaryStatus"] in wanted:
                return job
            ended = job["TrainingJobStatus"] in ("Failed", "Stopped", "Completed")
            assert not ended, (job.get("FailureReason"), self.logged(name))
            assert time.monotonic() < deadline, job
            time.sleep(0.1)

    def run(self, environment: dict[str, str], wanted: str = "Completed", **more: Any) -> Any:
        return self.until(self.start(environment, **more), wanted)

    def channel(self, prefix: str, name: str = "training", **source: str) -> dict[str, Any]:
        where = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/{prefix}"} | source
        return {"ChannelName": name, "DataSource": {"S3DataSource": where}}

    def packed(self, uri: str) -> dict[str, bytes]:
        content = self.get(uri.removeprefix(f"s3://{self.bucket}/"))
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
            return {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]

    def logged(self, name: str) -> str:
        logs = self.aws.client("logs")
        return "\n".join(
            event["message"]
            for stream in self.streams(name)
            for event in logs.get_log_events(**GROUP, logStreamName=stream)["events"]
        )

    def streams(self, name: str) -> list[str]:
        logs, prefix = self.aws.client("logs"), {"logStreamNamePrefix": f"{name}/"}
        found = logs.describe_log_streams(**GROUP, **prefix)["logStreams"]
        return sorted(each["logStreamName"] for each in found)

    def interrupt(self, name: str, grace: float = 120) -> httpx.Response:
        path = f"/moto-api/kennel/spot-interruption/{name}?grace={grace:g}"
        return httpx.post(self.aws.address + path, trust_env=False)


def conform(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """Every answer is as botocore's model describes it: members, bounds, nothing unknown."""
    if response_dict["status_code"] != 200 or operation_model.output_shape is None:
        return
    answer = json.loads(response_dict["body"] or "{}")
    faults = list(faults_of(operation_model.output_shape, answer, operation_model.name))
    faults += list(unknown(operation_model.output_shape, answer, operation_model.name))
    assert not faults, faults


def unknown(shape: Any, value: Any, place: str) -> Iterator[str]:
    """Members that the model does not have."""
    match shape.type_name:
        case "structure":
            yield from (f"{place}.{name}" for name in value.keys() - shape.members.keys())
            for name in value.keys() & shape.members.keys():
                yield from unknown(shape.members[name], value[name], f"{place}.{name}")
        case "list":
            for each in value:
                yield from unknown(shape.member, each, place)


def wait_until(true: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
