"""InvokeEndpoint over real HTTP: what is sent, what failures become, when a call is repeated."""

import json
import random
import socket
import threading
from collections.abc import Callable

import pytest

from invoke.aws import RUNTIME, Client
from invoke.backoff import LONGEST, SHORTEST, Backoff
from invoke.deadline import Deadline
from invoke.endpoint import Endpoint
from invoke.problems import Problem
from invoke.query import Options
from tests.contract.function.conftest import (
    CREDENTIALS,
    Call,
    Reply,
    Service,
    Start,
    fault,
    model_error,
)


def endpoint_at(url: str, backoff: Backoff | None = None) -> Endpoint:
    environment = {**CREDENTIALS, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url}
    return Endpoint("dogs", Client(RUNTIME, environment, connections=8), backoff or Backoff())


def ask(endpoint: Endpoint, seconds: float = 60.0) -> dict[str, object]:
    deadline = Deadline.after(seconds)
    return endpoint.invoke(b"picture", "image/png", Options(3, logits=True), "id-1", deadline)


def refusal(service: Service, seconds: float = 60.0) -> Problem:
    with pytest.raises(Problem) as caught:
        ask(endpoint_at(service.url), seconds)
    return caught.value


def test_the_call_carries_picture_options_and_request_id(start: Start) -> None:
    service = start(lambda _: Reply())
    assert ask(endpoint_at(service.url))["model"] == {"name": "m", "version": "1"}
    (call,) = service.calls
    assert (call.method, call.path, call.body) == (
        "POST",
        "/endpoints/dogs/invocations",
        b"picture",
    )
    assert call.headers["content-type"] == "image/png"
    assert call.headers["x-amzn-sagemaker-custom-attributes"] == "top=3,logits=true"
    assert call.headers["x-amzn-sagemaker-inference-id"] == "id-1"
    assert call.headers["x-amz-security-token"] == "token"
    assert call.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")


def test_the_connection_is_kept_between_calls(start: Start) -> None:
    service = start(lambda _: Reply())
    endpoint = endpoint_at(service.url)
    for _ in range(3):
        ask(endpoint)
    assert len({call.client for call in service.calls}) == 1


FAILED = "the model failed on this picture: try again later"
NOT_CALLED = "the model could not be called: try again later"
UNUSABLE = "the model gave no usable answer: try again later"
REFUSED = "the model refused the picture"
NOT_READY = "the model is not ready: try again"
COMPLAINT = json.dumps(
    {"error": {"code": "unreadable_picture", "message": "the picture is damaged"}}
)
MEANINGS = {
    "the model's complaint": (model_error(422, COMPLAINT), 422, "the picture is damaged", None),
    "a complaint without our form": (model_error(400, "<html>"), 400, REFUSED, None),
    "a complaint of another form": (model_error(413, '{"error": 1}'), 413, REFUSED, None),
    "an overloaded model": (model_error(429, COMPLAINT), 429, "the picture is damaged", "1"),
    "a broken model": (model_error(500, '{"error": {"message": "secret"}}'), 502, FAILED, None),
    "a model that is busy": (model_error(503, "secret"), 502, FAILED, None),
    "a model that takes too long": (
        model_error(0, "Your invocation timed out"),
        504,
        "the model did not answer in time: try again",
        None,
    ),
    "a model without a status": (fault(424, "ModelError"), 502, FAILED, None),
    "a throttled call": (
        fault(400, "ThrottlingException"),
        429,
        "too many requests: slow down",
        "1",
    ),
    "a model that loads": (fault(429, "ModelNotReadyException"), 503, NOT_READY, "5"),
    "a service that is down": (fault(503, "ServiceUnavailable"), 503, NOT_READY, "5"),
    "a missing endpoint": (
        fault(400, "ValidationError"),
        503,
        "the model is not deployed or is being replaced",
        "30",
    ),
    "a role that may not": (fault(403, "AccessDeniedException"), 502, NOT_CALLED, None),
    "an inner fault": (fault(500, "InternalFailure"), 502, NOT_CALLED, None),
    "an error without a code": (Reply(400, b"<html>"), 502, NOT_CALLED, None),
    "an answer that is no JSON": (Reply(200, b"<html>"), 502, UNUSABLE, None),
    "an answer that is no object": (Reply(200, b"[1]"), 502, UNUSABLE, None),
}


@pytest.mark.parametrize(("reply", "status", "detail", "retry"), MEANINGS.values(), ids=MEANINGS)
def test_a_failure_is_told_in_our_words(
    start: Start, reply: Reply, status: int, detail: str, retry: str | None
) -> None:
    problem = refusal(start(lambda _: reply))
    assert (problem.status, problem.detail) == (status, detail)
    assert problem.headers.get("Retry-After") == retry


def replies(*given: Reply | None) -> Callable[[Call], Reply | None]:
    waiting = list(given)
    return lambda _: waiting.pop(0)


@pytest.mark.parametrize("first", [fault(400, "ThrottlingException"), None])
def test_throttling_and_hang_ups_are_tried_again(start: Start, first: Reply | None) -> None:
    service = start(replies(first, first, Reply()))
    ask(endpoint_at(service.url))
    assert len(service.calls) == 3


@pytest.mark.parametrize(
    "reply", [model_error(500, "x"), fault(400, "ValidationError"), Reply(200, b"")]
)
def test_other_failures_are_not_tried_again(start: Start, reply: Reply) -> None:
    service = start(lambda _: reply)
    refusal(service)
    assert len(service.calls) == 1


def test_no_attempt_begins_after_the_deadline(start: Start) -> None:
    class Long(Backoff):
        def failed(self) -> float:
            return 1000.0

    service = start(lambda _: fault(400, "ThrottlingException"))
    with pytest.raises(Problem) as caught:
        ask(endpoint_at(service.url, Long()))
    assert caught.value.status == 429
    assert len(service.calls) == 1


def test_a_silent_endpoint_is_504_in_time(start: Start) -> None:
    refused = threading.Event()

    def silent(_: Call) -> Reply:
        refused.wait(60)
        return Reply()

    problem = refusal(start(silent), seconds=0.5)
    assert (problem.status, refused.is_set()) == (504, False)
    refused.set()


def test_an_endpoint_that_cannot_be_reached_is_503() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Problem, match="cannot be reached") as caught:
        ask(endpoint_at(f"http://127.0.0.1:{port}"))
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "2"})


def test_the_wait_grows_with_failures_and_shrinks_with_successes() -> None:
    backoff = Backoff(random.Random(1))  # noqa: S311 - no secret
    waits = [backoff.failed() for _ in range(8)]
    assert SHORTEST / 2 <= waits[0] <= SHORTEST
    assert LONGEST / 2 <= waits[-1] <= LONGEST
    for _ in range(8):
        backoff.succeeded()
    assert backoff.failed() <= SHORTEST
