"""What clients make of failures: the emulator's own are understood, and none is repeated long."""

import io
from collections.abc import Callable, Iterable
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError
from urllib3 import HTTPResponse
from werkzeug.test import Client

from kennel.local.terraform import environment

CALLS = {
    "ec2": "describe_vpcs",
    "lambda": "list_functions",
    "s3": "list_buckets",
    "sagemaker": "list_models",
    "sts": "get_caller_identity",
}


class Answered:
    """A boto3 client whose requests an application answers, and how many there were."""

    def __init__(self, service: str, application: Callable[..., Iterable[bytes]]) -> None:
        self.client = boto3.client(service, "eu-west-1", None, **KEYS)
        self.tried = 0
        self._application = Client(application)
        self.client.meta.events.register("before-send", self._answer)

    def _answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        self.tried += 1
        answer = self._application.open(
            request.url,
            method=request.method,
            headers=[(name, text(value)) for name, value in request.headers.items()],
            data=request.body,
        )
        raw = HTTPResponse(io.BytesIO(answer.data), preload_content=False)
        return AWSResponse(request.url, answer.status_code, dict(answer.headers), raw)


KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (RuntimeError("a < secret"), "EmulatorFailure", r"failed \(RuntimeError\): see `kennel"),
        (NotImplementedError("no <such> operation"), "UnknownOperationException", "no <such> op"),
    ],
)
def test_a_failure_of_the_emulator_is_told_in_the_services_form_and_not_repeated(
    service: str, failure: Exception, code: str, message: str
) -> None:
    from kennel.local.aws.failures import told

    def fail(*_: object) -> Iterable[bytes]:
        raise failure

    asked = Answered(service, told(fail))
    with pytest.raises(ClientError, match=message) as raised:
        getattr(asked.client, CALLS[service])()
    assert raised.value.response["Error"]["Code"] == code
    assert "secret" not in str(raised.value)
    assert asked.tried == 1


@pytest.mark.parametrize(("attempt", "lines"), [("1; max=25", 0), ("2; max=25", 1), ("11", 1)])
def test_a_call_that_comes_again_is_in_the_log(
    attempt: str, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Its first answer was lost: what then says that it exists already is no riddle."""
    from kennel.local.aws.failures import told

    headers = {"amz-sdk-request": f"attempt={attempt}", "X-Amz-Target": "SageMaker.CreateModel"}

    def answer(_: object, start: Callable[..., object]) -> Iterable[bytes]:
        start("200 OK", [])
        return []

    Client(told(answer)).open("/", headers=headers)
    assert [r.message for r in caplog.records] == [
        f"SageMaker.CreateModel asked again: attempt={attempt}"
    ] * lines


def test_clients_pointed_at_the_account_try_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment("http://127.0.0.1:1", "eu-west-1").items():
        monkeypatch.setenv(name, value)

    def broken(_: object, start: Callable[..., object]) -> Iterable[bytes]:
        start("500 Internal Server Error", [])
        return []

    asked = Answered("sagemaker", broken)
    with pytest.raises(ClientError, match="500"):
        asked.client.list_models()
    assert asked.tried == 2
