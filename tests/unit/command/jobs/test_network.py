"""A network or an AWS that goes in the middle: what runs goes on, and nobody loses sight of it."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from click.testing import CliRunner

from kennel import batch, jobs, train, tune
from kennel.network import PATIENCE, outlasting
from kennel.outputs import Outputs
from kennel.runs.logs import Line
from kennel.runs.run import Status

LOST = EndpointConnectionError(endpoint_url="https://sagemaker")
SLOW = ReadTimeoutError(endpoint_url="https://sagemaker")


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "DescribeTrainingJob")


class Answers:
    """Of a service, one after the other; an exception among them is raised."""

    def __init__(self, *answers: Any) -> None:
        self.left = list(answers)

    def __call__(self, **_: Any) -> Any:
        answer = self.left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_it_is_tried_ever_more_seldom_and_said() -> None:
    said, slept = list[str](), list[float]()
    answer = outlasting(Answers(LOST, SLOW, LOST, LOST, "there"), said.append, slept.append, 5.0)
    assert answer == "there"
    assert slept == [10, 20, 30, 30]
    assert said[1].startswith("network lost (ReadTimeoutError)")


def test_after_an_hour_it_is_given_up_and_a_refusal_at_once() -> None:
    slept = list[float]()
    with pytest.raises(EndpointConnectionError):
        outlasting(Answers(*[LOST] * 200), lambda _: None, slept.append, 5.0)
    assert PATIENCE - 60 < sum(slept) <= PATIENCE
    with pytest.raises(ClientError):
        outlasting(Answers(refusal("ExpiredToken")), lambda _: None, slept.append, 5.0)


@pytest.mark.parametrize(
    "busy",
    [refusal("ThrottlingException"), refusal("RequestLimitExceeded", 503), refusal("Oops", 500)],
)
def test_an_aws_that_is_busy_is_waited_for_too(busy: ClientError) -> None:
    said = list[str]()
    assert outlasting(Answers(busy, busy, "there"), said.append, lambda _: None, 5.0) == "there"
    assert said[0].startswith("AWS does not answer just now (")


class Expired:
    """Whatever is asked of it, the token has expired."""

    name, where = "job-1", "sagemaker"

    def __getattr__(self, _: str) -> Answers:
        return Answers(refusal("ExpiredToken"))


NOWHERE = Outputs("platform", {})


@pytest.mark.parametrize(
    ("watch", "hint"),
    [
        (lambda job: train.finish(job, NOWHERE, "dev"), "kennel jobs attach job-1"),
        (lambda job: tune.finish(job, NOWHERE, "dev"), "kennel tune --attach job-1"),
        (lambda job: batch.follow("job-1", job, job), "kennel batch --attach job-1"),
    ],
)
def test_whose_token_expires_hears_how_to_come_back(
    watch: Callable[[Any], None], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ClientError):
        watch(Expired())
    assert f"come back with `{hint}`" in capsys.readouterr().err


def test_a_search_is_watched_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Job:
        describe = Answers(LOST, SLOW, {"HyperParameterTuningJobStatus": "Completed"})

    monkeypatch.setattr("time.sleep", lambda _: None)
    found = tune.watch(Job())  # type: ignore[arg-type]
    assert found["HyperParameterTuningJobStatus"] == "Completed"


def test_a_batch_is_watched_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    job = {
        "TransformInput": {"DataSource": {"S3DataSource": {"S3Uri": "s3://data/dogs/"}}},
        "TransformOutput": {"S3OutputPath": "s3://models/batch"},
    }
    going, done = ({**job, "TransformJobStatus": each} for each in ("InProgress", "Completed"))

    class SageMaker:
        describe_transform_job = Answers(going, LOST, going, SLOW, done)

    monkeypatch.setattr(batch, "collect", lambda *_: [])

    class S3:
        def get_paginator(self, _: str) -> "S3":
            return self

        def paginate(self, **_: str) -> list[dict[str, Any]]:
            return [{"Contents": [{"Key": "dogs/a.jpg", "Size": 1}]}]

    monkeypatch.setattr("time.sleep", lambda _: None)
    found, _ = batch.follow("job", SageMaker(), S3())
    assert found["TransformJobStatus"] == "Completed"


def test_a_log_is_followed_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    going, done = Status("InProgress"), Status("Completed")
    texts = [[Line("algo-1", text, 0.0)] for text in ("first", "second", "last")]

    class Run:
        status = Answers(going, LOST, going, SLOW, done)
        lines = Answers(*texts)

    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(jobs, "find", lambda *_: (Run(), None))
    followed = CliRunner().invoke(jobs.logs, ["job", "--follow"])
    assert followed.exit_code == 0
    assert followed.stdout.splitlines() == ["algo-1  first", "algo-1  second", "algo-1  last"]
    assert followed.stderr.count("network lost") == 2


def test_a_log_that_cannot_be_reached_at_first_is_an_error_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Run:
        status = Answers(LOST)

    monkeypatch.setattr(jobs, "find", lambda *_: (Run(), None))
    refused = CliRunner().invoke(jobs.logs, ["job", "--follow"])
    assert refused.exception is LOST
