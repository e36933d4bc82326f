"""Malformed requests: each is a 4xx that names the fault, and nothing is fetched or classified."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.function.conftest import PICTURE, World, names

Event = Callable[..., dict[str, Any]]
DOG = "https://pictures.example/dog.png"
HUGE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(6_291_449)).decode()

BODIES = {
    "empty": ("", 400, "the body is empty"),
    "not JSON": ("{", 400, "not JSON"),
    "not UTF-8": ("\udcff", 400, "not of the encoding"),
    "null": ("null", 400, "one field"),
    "a list": ("[]", 400, "one field"),
    "a text": ('"https://pictures.example/"', 400, "one field"),
    "a number": ("1" * 5000, 400, "JSON"),
    "too deep": ("[" * 200_000, 400, "nested too deeply"),
    "deep inside": ('{"url":' * 200_000, 400, "nested too deeply"),
    "no field": ("{}", 400, "one field"),
    "an unknown field": ('{"uri": "x"}', 400, "there is no field uri"),
    "one field too many": (json.dumps({"url": DOG, "top": 5}), 400, "one field"),
    "two pictures": (json.dumps({"url": DOG, "image": "aaaa"}), 400, "one field"),
    "a URL that is null": ('{"url": null}', 400, "URL as text"),
    "a URL that is a list": ('{"url": ["x"]}', 400, "URL as text"),
    "an empty URL": ('{"url": ""}', 400, "URL as text"),
    "urls that are a text": (json.dumps({"urls": DOG}), 400, "1 to 4"),
    "no urls": ('{"urls": []}', 400, "1 to 4"),
    "too many urls": (json.dumps({"urls": [DOG] * 5}), 400, "1 to 4"),
    "a wrong URL among urls": (json.dumps({"urls": [DOG, 1]}), 400, "URL as text"),
    "a list of lists": (json.dumps({"urls": [[DOG]]}), 400, "URL as text"),
    "an image that is null": ('{"image": null}', 400, "base64"),
    "an empty image": ('{"image": ""}', 400, "base64"),
    "an image that is no base64": ('{"image": "!!!!"}', 400, "base64"),
    "an image in URL-safe base64": ('{"image": "_-_-"}', 400, "base64"),
    "an image with line ends": ('{"image": "iVBO\\nRw0K"}', 400, "base64"),
    "an image cut short": ('{"image": "iVBOR"}', 400, "base64"),
    "an image beyond ASCII": ('{"image": "ä"}', 400, "base64"),
    "an image that is a data URL": (
        '{"image": "data:image/png;base64,iVBORw0KGgo="}',
        400,
        "base64",
    ),
    "an image that is a text": ('{"image": "aGVsbG8gd29ybGQ="}', 415, "not a JPEG, PNG or WebP"),
    "an image that is too large": (json.dumps({"image": HUGE}), 413, "more than 6291456 bytes"),
}


@pytest.mark.parametrize(("body", "status", "detail"), BODIES.values(), ids=BODIES)
def test_a_malformed_body_is_named(
    world: World, event: Event, body: str, status: int, detail: str
) -> None:
    found, answer, headers = world.call(event("rest_json", body=body))
    assert (found, detail in answer["detail"]) == (status, True), answer
    assert headers["Content-Type"] == "application/problem+json"
    assert (world.fetched, world.invoked) == ([], [])


QUERIES = {
    "zero": ({"top": ["0"]}, "from 1 to 1000"),
    "too many": ({"top": ["1001"]}, "from 1 to 1000"),
    "endless": ({"top": ["9" * 9999]}, "from 1 to 1000"),
    "hidden behind zeros": ({"top": ["0000010009"]}, "from 1 to 1000"),
    "negative": ({"top": ["-1"]}, "from 1 to 1000"),
    "a fraction": ({"top": ["1.5"]}, "from 1 to 1000"),
    "no number": ({"top": ["five"]}, "from 1 to 1000"),
    "empty": ({"top": [""]}, "from 1 to 1000"),
    "digits of another script": ({"top": ["٣"]}, "from 1 to 1000"),
    "a superscript": ({"top": ["²"]}, "from 1 to 1000"),
    "twice": ({"top": ["1", "2"]}, "more than once"),
    "yes": ({"logits": ["yes"]}, "true or false"),
    "shouted": ({"logits": ["TRUE"]}, "true or false"),
    "unknown": ({"tpo": ["3"]}, "there is no parameter tpo"),
    "an option smuggled in": ({"logits": ["true,top=9"]}, "true or false"),
}


@pytest.mark.parametrize(("query", "detail"), QUERIES.values(), ids=QUERIES)
def test_a_wrong_parameter_is_named(
    world: World, event: Event, query: dict[str, list[str]], detail: str
) -> None:
    status, answer, _ = world.call(event("rest_picture", multiValueQueryStringParameters=query))
    assert (status, detail in answer["detail"]) == (400, True), answer
    assert world.invoked == []


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "image/gif",
        "multipart/form-data; boundary=x",
        "application/json-patch+json",
        "image/*",
        ";",
    ],
)
def test_another_content_type_is_named(world: World, event: Event, kind: str) -> None:
    headers = {"Content-Type": [kind]}
    status, answer, _ = world.call(event("rest_picture", multiValueHeaders=headers))
    assert (status, "content type" in answer["detail"]) == (415, True)


def png(width: int, height: int) -> bytes:
    return PICTURE[:16] + width.to_bytes(4) + height.to_bytes(4) + PICTURE[24:]


PICTURES = {
    "a bomb": (png(50_000, 50_000), 413, "50000 x 50000 pixels"),
    "a bomb in one direction": (png(2**31 - 1, 1), 413, "pixels"),
    "one pixel too many": (png(50_000_001, 1), 413, "pixels"),
    "no width": (png(0, 5), 422, "damaged"),
    "a PNG cut short": (PICTURE[:20], 422, "damaged"),
    "a PNG without a header": (PICTURE[:8] + b"\0\0\0\x0dIDAT" + bytes(9), 422, "damaged"),
    "a JPEG without a frame": (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(30), 422, "damaged"),
    "a JPEG of nothing": (b"\xff\xd8\xff", 422, "damaged"),
    "a JPEG bomb": (bytes.fromhex("ffd8ffc2001108ffffffff") + bytes(9), 413, "65535 x 65535"),
    "a WebP cut short": (b"RIFF\0\0\0\0WEBPVP8X\0\0", 422, "damaged"),
    "a WebP of a new kind": (b"RIFF\0\0\0\0WEBPVP99" + bytes(30), 422, "damaged"),
    "a WebP bomb": (b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\xff" * 6, 413, "16777216 x 16777216"),
    "a sound": (b"RIFF\0\0\0\0WAVEfmt ", 415, "not a JPEG"),
    "a GIF": (b"GIF89a\1\0\1\0", 415, "not a JPEG"),
    "an SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "not a JPEG"),
    "a PDF": (b"%PDF-1.7", 415, "not a JPEG"),
    "a byte": (b"\xff", 415, "not a JPEG"),
}


@pytest.mark.parametrize(("picture", "status", "detail"), PICTURES.values(), ids=PICTURES)
def test_what_the_model_would_refuse_is_not_sent_on(
    world: World, event: Event, picture: bytes, status: int, detail: str
) -> None:
    world.pages[DOG] = picture
    body = base64.b64encode(picture).decode()
    for request in (event("rest_picture", body=body), event("plain_url")):
        found, answer, _ = world.call(request)
        assert (found, detail in answer["detail"]) == (status, True), answer
    assert world.invoked == []


EVENTS = {
    "a text": "https://pictures.example/",
    "a list": [],
    "null": None,
    "a number": 1,
    "nothing in it": {},
    "an unknown field": {"uri": DOG},
    "a wrong option": {"url": DOG, "top": "many"},
    "an option that is a list": {"url": DOG, "top": [5]},
    "an event of another service": {"Records": [{"eventSource": "aws:s3"}]},
    "headers that are a list": {"httpMethod": "POST", "headers": ["x"]},
    "headers that are numbers": {"httpMethod": "POST", "headers": {"x": 1}},
    "headers without values": {"httpMethod": "POST", "multiValueHeaders": {"x": []}},
    "a body that is an object": {"httpMethod": "POST", "body": {"url": DOG}},
    "a body that is no base64": {"httpMethod": "POST", "body": "?", "isBase64Encoded": True},
}


@pytest.mark.parametrize("content", EVENTS.values(), ids=EVENTS)
def test_a_malformed_event_is_named(world: World, content: object) -> None:
    status, answer, _ = world.call(content)
    assert status == 400, answer
    assert (world.fetched, world.invoked) == ([], [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "resource",
    "httpMethod",
    "headers",
    "multiValueHeaders",
    "queryStringParameters",
    "body",
    "multiValueQueryStringParameters",
    "requestContext",
    "isBase64Encoded",
    "url",
    "urls",
    "image",
)
GENTLE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def well_formed(world: World, event: object) -> None:
    status, answer, headers = world.call(event)
    assert status in (200, 204, 400, 404, 413, 415, 422, 502), (event, answer)
    assert headers["X-Request-Id"]
    if status >= 400:
        assert answer["status"] == status
        assert answer["detail"]


@GENTLE
@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON)
def test_no_event_makes_the_function_fail(world: World, content: object) -> None:
    well_formed(world, content)


@GENTLE
@given(st.sampled_from(names()), st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1))
def test_no_field_of_a_real_event_makes_the_function_fail(
    world: World, event: Event, name: str, changes: dict[str, object]
) -> None:
    well_formed(world, event(name, **changes))


@GENTLE
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", PICTURE[:8], b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8"]),
)
def test_no_bytes_make_the_function_fail(
    world: World, event: Event, content: bytes, magic: bytes
) -> None:
    body = base64.b64encode(magic + content).decode()
    well_formed(world, event("rest_picture", body=body))


@GENTLE
@given(
    JSON
    | st.fixed_dictionaries({"url": st.text()})
    | st.fixed_dictionaries({"urls": st.lists(st.text())})
)
def test_no_json_makes_the_function_fail(world: World, event: Event, content: object) -> None:
    well_formed(world, event("rest_json", body=json.dumps(content)))
