"""What `kennel batch` asks for, what it says on the way, and how one comes back to it."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from kennel import batch, progress
from kennel.outputs import Outputs

PLATFORM = Outputs(
    "platform",
    {
        "prefix": "dogs",
        "kms_key_arn": "key",
        "bucket_names": {"data": "dogs-data", "models": "dogs-models"},
        "region": "eu-west-1",
    },
)
SERVICE = Outputs("service", {"release_name": "release-1"})


@pytest.mark.parametrize(
    ("instance_type", "key"),
    [
        ("ml.c6i.xlarge", "key"),
        ("ml.g5.xlarge", None),  # disks of its own: SageMaker takes no key
        ("ml.c6id.xlarge", None),
    ],
)
def test_answers_and_disks_are_encrypted_with_the_platforms_key(
    instance_type: str, key: str | None
) -> None:
    request = batch.request_of(
        "s3://a/b/", PLATFORM, SERVICE, out="", instances=1, instance_type=instance_type
    )
    assert request["TransformOutput"]["KmsKeyId"] == "key"
    assert request["TransformResources"].get("VolumeKmsKeyId") == key


class SageMaker:
    """A job under way for some looks; each look finds one more picture classified."""

    def __init__(self, looks: int = 0, state: str = "Completed") -> None:
        self.looks, self.state, self.answers = looks, state, 0

    def describe_transform_job(self, TransformJobName: str) -> dict[str, Any]:  # noqa: N803
        if TransformJobName != "job":
            said = {"Code": "ValidationException", "Message": "Could not find requested job"}
            raise ClientError({"Error": said}, "DescribeTransformJob")
        going = self.answers < self.looks
        self.answers += 1
        return {
            "TransformJobStatus": "InProgress" if going else self.state,
            "TransformInput": {"DataSource": {"S3DataSource": {"S3Uri": "s3://data/dogs/"}}},
            "TransformOutput": {"S3OutputPath": "s3://models/batch"},
            "TransformResources": {"InstanceType": "ml.c6i.xlarge", "InstanceCount": 1},
            "TransformStartTime": datetime.now(UTC) - timedelta(seconds=100),
        }

    # The same object stands for S3: ten pictures, and an answer for each look.
    def get_paginator(self, _: str) -> "SageMaker":
        return self

    def paginate(self, *, Prefix: str, **_: str) -> list[dict[str, Any]]:  # noqa: N803
        names = [f"dogs/{number}.jpg" for number in range(10)]
        if Prefix == "batch/":
            names = [f"batch/{number}.jpg.out" for number in range(self.answers)]
        return [{"Contents": [{"Key": name, "Size": 1} for name in names]}]

    def get_object(self, **_: str) -> dict[str, Any]:
        return {"Body": self}

    def read(self) -> bytes:
        return json.dumps({"predictions": [{"label": "pug", "probability": 0.75}]}).encode()


def kennel(monkeypatch: pytest.MonkeyPatch, service: SageMaker, *arguments: str) -> Result:
    """The verb, with no outputs but the platform's: `--attach` needs no others."""
    monkeypatch.setattr("kennel.outputs.read", lambda name, _: {"platform": PLATFORM}[name])
    monkeypatch.setattr("kennel.aws.client", lambda *_: service)
    return CliRunner().invoke(batch.batch, list(arguments))


def test_one_comes_back_without_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    found = kennel(monkeypatch, SageMaker(looks=12), "--attach", "job", "--json")
    assert found.exit_code == 0, found.output
    rows = json.loads(found.stdout)["results"]
    assert rows[0] == {"picture": "s3://data/dogs/0.jpg", "label": "pug", "probability": 0.75}
    assert len(rows) == 10
    assert "list prices of eu-west-1 in" in found.stderr


def test_ctrl_c_says_how_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    found = kennel(monkeypatch, SageMaker(looks=12), "--attach", "job")
    assert "`kennel batch --attach job`" in found.stderr
    assert isinstance(found.exception, SystemExit | KeyboardInterrupt)


def test_without_source_or_job_it_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = kennel(monkeypatch, SageMaker())
    assert (found.exit_code, "name the SOURCE" in found.stderr) == (2, True)
    found = kennel(monkeypatch, SageMaker(), "--attach", "job", "--dry-run")
    assert (found.exit_code, "leave out --dry-run" in found.stderr) == (2, True)


def test_a_job_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = kennel(monkeypatch, SageMaker(), "--attach", "other")
    assert "there is no transform job other" in str(found.exception)


def test_without_a_terminal_there_are_lines_with_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the time that the machines run: nine pictures in 100 s leave one, in 11 s."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(progress, "EVERY", 0.0)
    said = kennel(monkeypatch, SageMaker(looks=12), "--attach", "job", "--json").stderr
    assert re.search(r"classifying: 9 of 10 pictures, 0\.1/s, 11 s left", said), said
