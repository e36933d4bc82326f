"""The local gateway as a server with real workers behind it: what API Gateway does, it does."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

import httpx
import pytest

from invoke.application import PROBE
from kennel import places
from kennel.local.gateway import door_of
from kennel.local.refusals import Refused
from kennel.local.usage import Bucket, Door, Plan, Throttle
from tests.contract.function.conftest import (
    GUARDED,
    Call,
    Gateway,
    Reply,
    Start,
    model_error,
)

JPEG = {"Content-Type": "image/jpeg"}


def detail(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    return str(body["detail"])


def test_every_form_of_a_request_reaches_the_model(gateway: Gateway) -> None:
    calls: list[Call] = []

    def talk(call: Call) -> Reply:
        calls.append(call)
        return Reply()

    client = gateway(talk)
    picture = client.post("/v1/predict?top=2", content=PROBE, headers=JPEG)
    in_json = client.post("/v1/predict", json={"image": base64.b64encode(PROBE).decode()})
    model = client.get("/v1/model")
    assert [each.status_code for each in (picture, in_json, model)] == [200, 200, 200]
    assert picture.json()["predictions"][0]["label"] == "beagle"
    assert model.json() == {"name": "m", "version": "1", "classes": 2}
    assert [call.body for call in calls] == [PROBE] * 3
    for answer, call in zip((picture, in_json, model), calls, strict=True):
        assert call.headers["x-amzn-sagemaker-inference-id"] == answer.headers["x-request-id"]


def test_a_url_inside_is_refused_with_the_settings_of_production(gateway: Gateway) -> None:
    client = gateway(KENNEL_ALLOW_HTTP="true", KENNEL_PORTS="80,8080")
    for url in ("http://127.0.0.1:8080/", "http://localhost/", "https://169.254.169.254:80/"):
        answer = client.post("/v1/predict", json={"url": url})
        assert (answer.status_code, "public internet" in detail(answer)) == (400, True)


def test_json_is_held_against_the_description(gateway: Gateway) -> None:
    client = gateway()
    for content, message in (
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"uri": "x"}', "'uri'"),
        (b'{"urls": []}', "urls"),
        (b'{"url": 5}', "url is not as described: 5 is not of type 'string'"),
        (b'{"url": "x", "image": "aaaa"}', "too many properties"),
        (b"", "not JSON"),
    ):
        answer = client.post(
            "/v1/predict", content=content, headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, message in detail(answer)) == (400, True), answer.text


def test_what_is_not_described_is_named(gateway: Gateway) -> None:
    client = gateway()
    unknown, wrong = client.get("/v1/nothing"), client.put("/v1/predict")
    assert (unknown.status_code, "POST /v1/predict" in detail(unknown)) == (404, True)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "OPTIONS, POST")
    assert client.head("/v1/model").status_code == 405


def test_the_limits_of_bodies_are_those_of_aws(gateway: Gateway) -> None:
    client = gateway()
    for size, message in (
        (10 * 1024 * 1024 + 1, "the body has more than 10485760 bytes"),
        (4_800_000, "Lambda takes 6291456"),
    ):
        answer = client.post("/v1/predict", content=bytes(size), headers=JPEG)
        assert (answer.status_code, message in detail(answer)) == (413, True)


def test_browsers_are_answered_by_the_settings(gateway: Gateway) -> None:
    client = gateway(KENNEL_CORS_ORIGINS="https://shop.example", door=Door(Plan(("key",))))
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    preflight = client.options("/v1/predict", headers=asked)
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"


def test_a_key_is_needed_where_there_is_a_plan(gateway: Gateway) -> None:
    client = gateway(door=Door(Plan(("right",), requests_per_day=2)))
    for headers in ({}, {"X-Api-Key": ""}, {"X-Api-Key": "wrong"}):
        answer = client.get("/v1/model", headers=headers)
        assert (answer.status_code, "API key" in detail(answer)) == (403, True)
    statuses = [
        client.get("/v1/model", headers={"X-Api-Key": "right"}).status_code for _ in range(3)
    ]
    assert statuses == [200, 200, 429]


def test_throttling_answers_429_with_retry_after(gateway: Gateway) -> None:
    client = gateway(door=Door(throttle=Throttle(rate=0.001, burst=2)))
    answers = [client.get("/v1/model") for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert (detail(answers[2]), answers[2].headers["retry-after"]) == (
        "too many requests: slow down",
        "1",
    )


def test_more_calls_than_the_concurrency_are_502(gateway: Gateway) -> None:
    refused = threading.Event()

    def slow(_: Call) -> Reply:
        assert refused.wait(60)
        return Reply()

    client = gateway(slow, concurrency=2)
    with ThreadPoolExecutor(6) as pool:
        calls = [pool.submit(client.get, "/v1/model") for _ in range(6)]
        assert {call.result().status_code for call in islice(as_completed(calls), 4)} == {502}
        refused.set()
    statuses = sorted(call.result().status_code for call in calls)
    assert statuses == [200, 200, 502, 502, 502, 502]  # API Gateway does not pass 429 on


def test_the_models_complaint_comes_through(gateway: Gateway) -> None:
    complaint = json.dumps({"error": {"code": "unreadable_picture", "message": "cut short"}})
    answer = gateway(lambda _: model_error(422, complaint)).post(
        "/v1/predict", content=PROBE, headers=JPEG
    )
    assert (answer.status_code, detail(answer)) == (422, "cut short")


BROKEN = """
import os, time

def slow(event, context):
    time.sleep(30)

def ended(event, context):
    os._exit(3)

def raising(event, context):
    raise ValueError("a secret")

def endless(event, context):
    return {"statusCode": 200, "body": "x" * 7_000_000}

def nonsense(event, context):
    return {"answer": 42}
"""


@pytest.mark.parametrize(
    ("name", "status"),
    [("slow", 504), ("ended", 502), ("raising", 502), ("nonsense", 502), ("endless", 502)],
)
def test_a_broken_function_is_opaque(
    gateway: Gateway, tmp_path: Path, name: str, status: int
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    path = f"{tmp_path}:{places.ROOT}/scripts"
    seconds = 1 if name == "slow" else 120
    client = gateway(handler=f"broken.{name}", seconds=seconds, PYTHONPATH=path)
    answer = client.get("/v1/model")
    assert (answer.status_code, "secret" in answer.text) == (status, False)
    assert "function" in detail(answer)


def test_a_url_goes_all_the_way_from_gateway_to_model(gateway: Gateway, start: Start) -> None:
    host = start(lambda _: Reply(200, PROBE))
    port = host.url.rpartition(":")[2]
    client = gateway(handler="guarded.handle", PYTHONPATH=GUARDED, PICTURES_PORT=port)
    asked = [f"http://pictures.example:{port}/dog.png?x=1", "http://other.example/"]
    one = client.post("/v1/predict", json={"url": asked[0]})
    several = client.post("/v1/predict", json={"urls": asked})
    assert (one.status_code, one.json()["model"]["name"]) == (200, "m")
    assert [each["status"] for each in several.json()["results"]] == [200, 400]
    assert [(call.method, call.path) for call in host.calls] == [("GET", "/dog.png?x=1")] * 2


def test_an_object_in_an_allowed_bucket_is_classified(gateway: Gateway, start: Start) -> None:
    storage = start(lambda _: Reply(200, PROBE))
    client = gateway(KENNEL_S3_BUCKETS="photos", AWS_ENDPOINT_URL_S3=storage.url)
    allowed = client.post("/v1/predict", json={"url": "s3://photos/dog.png"})
    other = client.post("/v1/predict", json={"url": "s3://secrets/dog.png"})
    assert (allowed.status_code, other.status_code) == (200, 403)
    assert [call.path for call in storage.calls] == ["/photos/dog.png"]


# The usage plan, by a clock that is set


def test_a_bucket_fills_again_at_its_rate_up_to_its_burst() -> None:
    now = [0.0]
    bucket = Bucket(Throttle(rate=2, burst=3), lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_each_key_has_a_plan_of_its_own_which_begins_anew_each_day() -> None:
    now = [0.0]
    door = Door(Plan(("a", "b"), rate=9, burst=9, requests_per_day=1), clock=lambda: now[0])
    door.pass_through("a", needs_key=True)
    with pytest.raises(Refused, match="of this day"):
        door.pass_through("a", needs_key=True)
    door.pass_through("b", needs_key=True)
    door.pass_through(None, needs_key=False)
    now[0] = 86_400.0
    door.pass_through("a", needs_key=True)


def test_one_caller_beyond_his_rate_is_refused_alone() -> None:
    door = Door(Plan(("a", "b"), rate=1, burst=1), clock=lambda: 0.0)
    door.pass_through("a", needs_key=True)
    with pytest.raises(Refused, match="slow down"):
        door.pass_through("a", needs_key=True)
    door.pass_through("b", needs_key=True)


def test_plan_and_throttle_come_from_the_environment() -> None:
    door = door_of(
        {
            "KENNEL_USAGE_PLAN": '{"keys": ["a"], "rate": 5}',
            "KENNEL_THROTTLE": '{"rate": 1, "burst": 1}',
        }
    )
    door.pass_through("a", needs_key=True)
    with pytest.raises(Refused) as caught:
        door.pass_through("b", needs_key=True)
    assert caught.value.status == 403
    door_of({}).pass_through(None, needs_key=True)
