"""From an event to a request: API Gateway's proxy events (REST), and plain test events.

A plain event is what someone sends to the function itself: {"url": "https://..."}, the JSON body of
the API, with `top` and `logits` in it too, as there is no query.
"""

import base64
import binascii
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from invoke.problems import Problem

Event = dict[str, Any]
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Request(NamedTuple):
    method: str
    resource: str  # the path as the API's description has it
    headers: Mapping[str, str] = NOTHING  # names in lower case
    query: Mapping[str, list[str]] = NOTHING
    body: bytes = b""
    document: object = None  # the JSON of a plain event


def request_id_of(event: object, fallback: str) -> str:
    """API Gateway's id for the request where there is one, else Lambda's."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    found = context.get("requestId") if isinstance(context, dict) else None
    return found if isinstance(found, str) and 1 <= len(found) <= 60 else fallback


def read(event: object) -> Request:
    """The request in an event; a Problem where the event has not the form of one."""
    if not isinstance(event, dict):
        raise Problem(400, 'the event must be an object: {"url": "https://..."}')
    if "httpMethod" not in event:
        return Request("POST", "/v1/predict", document=event)
    return Request(
        method=str(event["httpMethod"]),
        resource=str(event.get("resource")),
        headers={
            name.lower(): values[-1]
            for name, values in many(event, "headers", "multiValueHeaders").items()
        },
        query=many(event, "queryStringParameters", "multiValueQueryStringParameters"),
        body=body_of(event),
    )


def many(event: Event, single: str, multiple: str) -> dict[str, list[str]]:
    """Names with all their values; API Gateway sends them in two forms, either of them null."""
    lists = mapping(event, multiple)
    if not lists:
        lists = {name: [value] for name, value in mapping(event, single).items()}
    for values in lists.values():
        if not isinstance(values, list) or not values:
            raise Problem(400, f"the event's {multiple} are not lists")
        if not all(isinstance(value, str) for value in values):
            raise Problem(400, f"the event's {single} are not texts")
    return lists


def mapping(event: Event, name: str) -> dict[str, Any]:
    found = event.get(name) or {}
    if not isinstance(found, dict):
        raise Problem(400, f"the event's {name} is not an object")
    return found


def body_of(event: Event) -> bytes:
    body = event.get("body") or ""
    if not isinstance(body, str):
        raise Problem(400, "the event's body is not a text")
    try:
        if event.get("isBase64Encoded"):
            return base64.b64decode(body, validate=True)
        return body.encode()
    except (binascii.Error, UnicodeError):
        raise Problem(400, "the event's body is not of the encoding that it says") from None
