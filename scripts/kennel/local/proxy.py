"""HTTP requests as REST proxy events, and the function's results as HTTP answers."""

import base64
import json
import time
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from kennel.local.function import FunctionError


def event_of(request: Request, resource: str, body: bytes, request_id: str) -> dict[str, Any]:
    """The event that API Gateway makes of a request (REST API, Lambda proxy integration)."""
    headers = {key.title(): value for key, value in request.headers.items()}
    query = request.query_params
    binary = request.headers.get("content-type", "").lower().startswith("image/")
    text = base64.b64encode(body).decode() if binary else body.decode(errors="replace")
    return {
        "resource": resource,
        "path": request.url.path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": {key: request.headers.getlist(key) for key in headers},
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": {key: query.getlist(key) for key in query} or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": context_of(request, resource, request_id),
        "body": text or None,
        "isBase64Encoded": binary,
    }


def context_of(request: Request, resource: str, request_id: str) -> dict[str, Any]:
    return {
        "accountId": "000000000000",
        "apiId": "local",
        "domainName": request.headers.get("host", ""),
        "httpMethod": request.method,
        "identity": {
            "apiKey": request.headers.get("x-api-key"),
            "sourceIp": request.client.host if request.client else "",
            "userAgent": request.headers.get("user-agent", ""),
        },
        "path": request.url.path,
        "protocol": "HTTP/1.1",
        "requestId": request_id,
        "requestTimeEpoch": int(time.time() * 1000),
        "resourceId": "local",
        "resourcePath": resource,
        "stage": "local",
    }


def answer_of(result: Any) -> Response:
    """The HTTP answer that a proxy result stands for; a malformed one is the function's fault."""
    try:
        body = result.get("body") or ""
        content = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
        return Response(content, int(result["statusCode"]), result.get("headers"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FunctionError("the function's answer is not of the proxy form") from error


def problem(status: int, detail: str, request_id: str, headers: dict[str, str]) -> Response:
    """The gateway's own errors, in the form of the API's."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    identity = {"X-Request-Id": request_id}
    return Response(json.dumps(body), status, identity | headers, "application/problem+json")
