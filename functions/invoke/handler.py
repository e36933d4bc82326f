"""The Lambda function: a picture from API Gateway to the endpoint, and the answer back.

`handle` takes REST proxy events and plain test events such as {"image": "<base64>"}; it answers
both in proxy form.
"""

import base64
import binascii
import json
import logging
from dataclasses import dataclass
from typing import Any

from invoke import endpoint
from invoke.problems import Problem

log = logging.getLogger("invoke")
log.setLevel(logging.INFO)
Event = dict[str, Any]

MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"RIFF": "image/webp"}


@dataclass(frozen=True)
class Query:
    picture: bytes
    attributes: str  # for the server: top=5,logits=false


def parse(event: Event) -> Query:
    """What is asked, from either kind of event; a Problem where that cannot be told."""
    if "httpMethod" not in event:
        return Query(picture_in(event), attributes({}))
    body = event.get("body") or ""
    try:
        content = (
            base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        )
    except binascii.Error:
        raise Problem(400, "the event says that its body is base64, which it is not") from None
    if not content:
        raise Problem(400, "the body is empty: send a picture, or JSON with the field image")
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    options = attributes(event.get("queryStringParameters") or {})
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return Query(content, options)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON, though its content type says so") from None
    return Query(picture_in(document), options)


def picture_in(document: object) -> bytes:
    if not isinstance(document, dict) or document.keys() != {"image"}:
        raise Problem(
            400, 'the JSON must be an object with the one field image: {"image": "<base64>"}'
        )
    text = document["image"]
    try:
        picture = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        picture = b""
    if not picture:
        raise Problem(400, "the field image must hold the bytes of a picture in base64")
    return picture


def attributes(parameters: dict[str, str]) -> str:
    top, logits = parameters.get("top", "5"), parameters.get("logits", "false")
    if not (top.isascii() and top.isdigit() and 1 <= int(top[:9]) <= 1000):
        raise Problem(400, "the parameter top must be a number from 1 to 1000")
    if logits not in ("true", "false"):
        raise Problem(400, "the parameter logits must be true or false")
    return f"top={int(top)},logits={logits}"


def content_type(picture: bytes) -> str:
    """By the first bytes, whatever the caller's header says."""
    for magic, name in MAGIC.items():
        if picture.startswith(magic):
            return name
    raise Problem(415, "the body is not a JPEG, PNG or WebP picture")


def render(status: int, body: object, kind: str, headers: dict[str, str]) -> Event:
    return {
        "statusCode": status,
        "headers": {"Content-Type": kind, "X-Content-Type-Options": "nosniff", **headers},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


def handle(event: Event, context: Any) -> Event:
    request_id = (event.get("requestContext") or {}).get("requestId") or context.aws_request_id
    identity = {"X-Request-Id": request_id}
    try:
        query = parse(event)
        answer = endpoint.invoke(query.picture, content_type(query.picture), query.attributes)
    except Problem as problem:
        log.info("request %s: %d %s", request_id, problem.status, problem.detail)
        kind = "application/problem+json"
        return render(problem.status, problem.body(request_id), kind, identity | problem.headers)
    except Exception:
        log.exception("request %s failed", request_id)
        failure = Problem(500, "the function failed; its log holds the request id")
        return render(500, failure.body(request_id), "application/problem+json", identity)
    return render(200, answer, "application/json", identity)
