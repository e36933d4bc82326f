"""From an event to an answer: the forms of both, the request id, the deadline, CORS, the log."""

import base64
import json
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from invoke.problems import Problem
from invoke.query import Options
from tests.unit.function.conftest import ANSWER, GATEWAY_ID, LAMBDA_ID, PICTURE, World

Event = Callable[..., dict[str, Any]]
DOG = "https://pictures.example/dog.png"


def document(event: Event, content: object) -> dict[str, Any]:
    """A request with JSON, as API Gateway sends it on."""
    text = content if isinstance(content, str) else json.dumps(content)
    return event(
        "rest_json", body=text, multiValueQueryStringParameters=None, queryStringParameters=None
    )


def test_a_url_in_json_is_fetched_and_classified(world: World, event: Event) -> None:
    status, body, headers = world.call(event("rest_json"))
    assert (status, body["detail"]) == (422, "there is no such page")
    world.pages[DOG + "?token=secret"] = PICTURE
    status, body, headers = world.call(event("rest_json"))
    assert (status, body) == (200, ANSWER)
    assert headers["Content-Type"] == "application/json"
    assert world.invoked == [(PICTURE, "image/png", Options(3, logits=True), GATEWAY_ID)]


def test_a_binary_body_is_classified_without_a_fetch(world: World, event: Event) -> None:
    status, body, _ = world.call(event("rest_picture"))
    assert (status, body, world.fetched) == (200, ANSWER, [])
    assert world.invoked == [(PICTURE, "image/png", Options(), GATEWAY_ID)]


def test_json_may_come_in_base64_too(world: World, event: Event) -> None:
    text = base64.b64encode(json.dumps({"url": DOG}).encode()).decode()
    assert world.call(event("rest_json", body=text, isBase64Encoded=True))[0] == 200


def test_a_picture_may_be_in_the_json(world: World, event: Event) -> None:
    content = {"image": base64.b64encode(PICTURE).decode()}
    assert world.call(document(event, content))[0] == 200
    assert world.invoked[0][0] == PICTURE


def test_a_plain_event_gets_the_same_proxy_answer(world: World, event: Event) -> None:
    status, body, headers = world.call(event("plain_url"))
    assert (status, body, headers["X-Request-Id"]) == (200, ANSWER, LAMBDA_ID)
    assert world.invoked[0][2:] == (Options(), LAMBDA_ID)


def test_a_plain_event_may_ask_for_the_scores(world: World, event: Event) -> None:
    assert world.call(event("plain_scores"))[0] == 200
    assert world.invoked[0][2] == Options(2, logits=True)


def test_headers_are_found_in_any_case_and_either_form(world: World, event: Event) -> None:
    shouted = {"CONTENT-TYPE": "Image/PNG; x=y"}
    assert world.call(event("rest_picture", headers=shouted, multiValueHeaders=None))[0] == 200
    several = {"content-type": ["text/plain", "image/png"]}
    assert world.call(event("rest_picture", headers=None, multiValueHeaders=several))[0] == 200


def test_urls_are_answered_one_by_one_errors_included(world: World, event: Event) -> None:
    world.pages["https://pictures.example/text"] = b"no picture"
    asked = [DOG, "https://pictures.example/text", "https://pictures.example/none"]
    status, body, _ = world.call(document(event, {"urls": asked}))
    assert status == 200
    assert [each["url"] for each in body["results"]] == asked
    assert [each["status"] for each in body["results"]] == [200, 415, 422]
    assert body["results"][0]["prediction"] == ANSWER
    assert body["results"][2]["problem"]["detail"] == "there is no such page"
    assert body["results"][2]["problem"]["request_id"] == GATEWAY_ID
    assert world.invoked[0][3] == f"{GATEWAY_ID}-0"


def test_urls_are_fetched_at_once(world: World, event: Event) -> None:
    world.wait = threading.Barrier(4, timeout=60).wait  # none goes on before all are there
    status, body, _ = world.call(document(event, {"urls": [DOG] * 4}))
    assert (status, [each["status"] for each in body["results"]]) == (200, [200] * 4)


@pytest.mark.parametrize("content", [{"url": DOG}, {"urls": [DOG, DOG]}])
def test_the_answer_comes_inside_the_deadline_whatever_an_effect_does(
    world: World, event: Event, content: object
) -> None:
    over = threading.Event()
    world.wait = partial(over.wait, 60)  # longer than the 25 seconds that a request has at most
    began = time.monotonic()
    status, body, _ = world.call(document(event, content), milliseconds=1200)
    assert time.monotonic() - began < 20, "it has waited for more than Lambda gives"
    over.set()
    problem = body if "urls" not in str(content) else body["results"][1]["problem"]
    assert (status in (200, 504), problem["status"]) == (True, 504)
    assert problem["detail"] == "there was no answer in time: try again"


def test_the_model_is_named_with_the_number_of_its_classes(world: World, event: Event) -> None:
    world.answer = {**ANSWER, "logits": [0.5, 0.1, 0.4]}
    status, body, _ = world.call(event("rest_model"))
    assert (status, body) == (200, {"name": "dogs", "version": "1", "classes": 3})
    assert world.invoked[0][2] == Options(1, logits=True)


def test_an_endpoint_without_a_model_is_named(world: World, event: Event) -> None:
    world.answer = Problem(503, "the model is not deployed", {"Retry-After": "30"})
    status, body, headers = world.call(event("rest_model"))
    assert (status, body["detail"], headers["Retry-After"]) == (
        503,
        "the model is not deployed",
        "30",
    )


def test_a_model_that_does_not_say_what_it_is_is_502(world: World, event: Event) -> None:
    status, body, _ = world.call(event("rest_model"))
    assert (status, body["detail"]) == (502, "the model does not say what it is")


@pytest.mark.parametrize(
    ("method", "resource"), [("DELETE", "/v1/predict"), ("GET", "/"), ("POST", "/v1/model")]
)
def test_what_is_not_in_the_api_is_404(
    world: World, event: Event, method: str, resource: str
) -> None:
    status, body, _ = world.call(event("rest_json", httpMethod=method, resource=resource))
    assert (status, body["detail"]) == (404, "there are POST /v1/predict and GET /v1/model")


def test_a_fault_of_ours_is_opaque_to_the_caller_and_whole_in_the_log(
    world: World, event: Event
) -> None:
    world.pages[DOG] = KeyError("a secret")
    status, body, headers = world.call(event("plain_url"))
    assert (status, headers["Content-Type"]) == (500, "application/problem+json")
    assert "secret" not in json.dumps(body)
    line = json.loads(world.log[-1])
    assert (line["level"], line["requestId"]) == ("ERROR", LAMBDA_ID)
    assert "KeyError: 'a secret'" in line["traceback"]


# CORS


def test_a_preflight_is_answered_by_the_settings(world: World, event: Event) -> None:
    world.origins = ("https://shop.example", "https://other.example")
    status, body, headers = world.call(event("rest_preflight"))
    assert (status, body) == (204, None)
    assert headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert headers["Vary"] == "Origin"
    assert "POST" in headers["Access-Control-Allow-Methods"]
    assert "X-Api-Key" in headers["Access-Control-Allow-Headers"]


def test_another_origin_is_not_allowed(world: World, event: Event) -> None:
    world.origins = ("https://other.example",)
    assert world.call(event("rest_preflight"))[2].keys() == {"X-Request-Id", "Vary"}


def test_without_the_setting_no_origin_is_allowed(world: World, event: Event) -> None:
    assert world.call(event("rest_preflight"))[2].keys() == {"X-Request-Id"}


def test_answers_and_errors_carry_the_origin(world: World, event: Event) -> None:
    world.origins = ("*",)
    for status, content in ((200, {"url": DOG}), (400, {"x": 1})):
        found, _, headers = world.call(document(event, content))
        assert (found, headers["Access-Control-Allow-Origin"]) == (status, "*")


# The log


def test_one_line_holds_the_request_and_its_metrics(world: World, event: Event) -> None:
    world.pages[DOG + "?token=secret"] = PICTURE
    world.call(event("rest_json"))
    (text,) = world.log
    line = json.loads(text)
    assert (line["requestId"], line["status"], line["Endpoint"]) == (GATEWAY_ID, 200, "dogs")
    assert line["sources"] == [DOG]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["Endpoint"]]
    assert directive["Metrics"] == [
        {"Name": name, "Unit": "Milliseconds"} for name in ("FetchTime", "InvokeTime", "TotalTime")
    ]
    for metric in directive["Metrics"]:
        assert all(value >= 0 for value in line[metric["Name"]])
    assert line["_aws"]["Timestamp"] > 1_700_000_000_000


def test_a_list_of_urls_has_a_time_for_each(world: World, event: Event) -> None:
    world.call(document(event, {"urls": [DOG] * 3}))
    line = json.loads(world.log[0])
    assert (len(line["FetchTime"]), len(line["InvokeTime"]), len(line["TotalTime"])) == (3, 3, 1)


@pytest.mark.parametrize(
    "url",
    [
        "https://pictures.example/a?X-Amz-Signature=hidden",
        "https://hidden:hidden@pictures.example/",
        "https://pictures.example/#hidden",
        "https://hidden@[/",
    ],
)
def test_queries_and_passwords_are_not_logged(world: World, event: Event, url: str) -> None:
    world.call(document(event, {"url": url}))
    world.call(document(event, {"urls": [url]}))
    assert "hidden" not in "".join(world.log)


def test_pictures_are_not_logged(world: World, event: Event) -> None:
    world.call(document(event, {"image": base64.b64encode(PICTURE).decode()}))
    world.call(event("rest_picture"))
    world.call(document(event, {"image": "hidden" * 99}))
    assert not any(piece in "".join(world.log) for piece in ("iVBOR", "hidden"))
