"""API Gateway on loopback: HTTP becomes REST proxy events, and their answers become HTTP.

Run as a process; KENNEL_ENDPOINT names the endpoint, KENNEL_RUNTIME is the runtime API's address.
"""

import base64
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kennel import places
from kennel.local.function import Function, FunctionError, Throttled, TooLarge
from kennel.local.processes import clean_environment
from kennel.local.serving import serve

MOST_BYTES = 10 * 1024 * 1024
SECONDS = 29.0


def event_of(request: Request, resource: str, body: bytes, request_id: str) -> dict[str, Any]:
    """The event that API Gateway makes of a request (REST API, Lambda proxy integration)."""
    headers = {key.title(): value for key, value in request.headers.items()}
    query = request.query_params
    binary = request.headers.get("content-type", "").lower().startswith("image/")
    client = request.client
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
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": request.method,
            "path": request.url.path,
            "protocol": "HTTP/1.1",
            "stage": "local",
            "requestId": request_id,
            "requestTimeEpoch": int(time.time() * 1000),
            "identity": {
                "sourceIp": client.host if client else "",
                "userAgent": request.headers.get("user-agent", ""),
            },
        },
        "body": (base64.b64encode(body).decode() if binary else body.decode(errors="replace"))
        or None,
        "isBase64Encoded": binary,
    }


def answer_of(result: Any) -> Response:
    """The HTTP answer that a proxy result stands for; a malformed one is the function's fault."""
    try:
        body = result.get("body") or ""
        content = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
        return Response(content, int(result["statusCode"]), result.get("headers"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FunctionError("the function's answer is not of the proxy form") from error


def problem(status: int, detail: str, request_id: str, **headers: str) -> Response:
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


def create(function: Function, document: Mapping[str, Any]) -> Starlette:
    """The routes of the OpenAPI document, each answered by the function."""

    def route(path: str, methods: list[str]) -> Route:
        async def call(request: Request) -> Response:
            request_id = str(uuid.uuid4())
            body = await request.body()
            if len(body) > MOST_BYTES:
                return problem(413, f"the body has more than {MOST_BYTES} bytes", request_id)
            try:
                event = event_of(request, path, body, request_id)
                return answer_of(await function.invoke(event, request_id))
            except TooLarge as error:
                return problem(413, f"{error}: send a smaller picture", request_id)
            except Throttled:
                return problem(
                    429, "too many requests: slow down", request_id, **{"Retry-After": "1"}
                )
            except FunctionError as error:
                print(f"request {request_id}: {error}", flush=True)
                return problem(502, "the function gave no usable answer", request_id)

        return Route(path, call, methods=methods)

    async def unknown(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
        known = ", ".join(f"{' '.join(m).upper()} {path}" for path, m in document["paths"].items())
        return problem(error.status_code, f"there is {known}", str(uuid.uuid4()))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await function.close()

    return Starlette(
        routes=[
            route(path, [method.upper() for method in methods])
            for path, methods in document["paths"].items()
        ],
        exception_handlers={HTTPException: unknown},
        lifespan=lifespan,
    )


def main() -> None:
    environment = clean_environment(
        PYTHONPATH=str(places.FUNCTIONS),
        KENNEL_ENDPOINT=os.environ["KENNEL_ENDPOINT"],
        AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=os.environ["KENNEL_RUNTIME"],
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="local",
        AWS_SECRET_ACCESS_KEY="local",  # noqa: S106 - the local runtime checks no signatures
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
    )
    function = Function(places.HANDLER, environment, concurrency=10, timeout=SECONDS)
    serve(create(function, yaml.safe_load(places.OPENAPI.read_text())))


if __name__ == "__main__":
    main()
