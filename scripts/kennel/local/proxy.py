"""HTTP requests as REST proxy events, and the function's results as HTTP answers."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from kennel.local.function import FunctionError
from kennel.local.visit import Visit


@dataclass(frozen=True)
class Form:
    """What an API says of events and answers: binary media types, and the stage's variables."""

    binary: Sequence[str] = ("image/*",)
    variables: Mapping[str, str] = field(default_factory=dict)

    def is_binary(self, kind: str) -> bool:
        kind = kind.partition(";")[0].strip().lower()
        return any(fnmatchcase(kind, each) for each in self.binary)


def event_of(
    visit: Visit, form: Form, resource: str, parameters: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    """The event that API Gateway makes of a request (REST API, Lambda proxy integration)."""
    headers = headers_of(visit)
    query = visit.request.query_params
    binary = form.is_binary(visit.request.headers.get("content-type", ""))
    text = base64.b64encode(body).decode() if binary else body.decode(errors="replace")
    return {
        "resource": resource,
        "path": visit.path,
        "httpMethod": visit.request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": {key: query.getlist(key) for key in query} or None,
        "pathParameters": dict(parameters) or None,
        "stageVariables": dict(form.variables) or None,
        "requestContext": visit.context,
        "body": text or None,
        "isBase64Encoded": binary,
    }


def headers_of(visit: Visit) -> dict[str, list[str]]:
    given = visit.request.headers
    headers = {key.title(): given.getlist(key) for key in given}
    client = visit.context["identity"]["sourceIp"]
    return headers | {
        "X-Amzn-Trace-Id": [visit.trace],
        "X-Forwarded-For": [*headers.get("X-Forwarded-For", []), client],
        "X-Forwarded-Proto": [visit.request.url.scheme],
    }


def answer_of(result: Any, form: Form, accepted: str) -> Response:
    """The HTTP answer that a proxy result stands for; a malformed one is the function's fault.

    As API Gateway does it, base64 is taken off only for callers who ask for a binary type first.
    """
    try:
        body = result.get("body") or ""
        binary = result.get("isBase64Encoded") and form.is_binary(accepted.partition(",")[0])
        content = base64.b64decode(body) if binary else body.encode()
        response = Response(content, int(result["statusCode"]))
        single, several = result.get("headers") or {}, result.get("multiValueHeaders") or {}
        fields = {**{name: [value] for name, value in single.items()}, **several}
        for name, values in fields.items():
            for value in values:
                response.headers.append(name, str(value))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FunctionError("the function's answer is not of the proxy form") from error
    if "content-type" not in Headers(raw=response.raw_headers):
        response.headers["content-type"] = "application/json"
    return response
