"""API Gateway on loopback: HTTP becomes REST proxy events, and their answers become HTTP.

Run as a process. KENNEL_ENDPOINT names the endpoint, KENNEL_RUNTIME is the runtime API's address.
KENNEL_USAGE_PLAN asks for API keys, and KENNEL_THROTTLE limits all callers together, in JSON with
the names of Terraform's variables: {"keys": ["..."], "rate": 10, "burst": 20,
"requests_per_day": 10000} and {"rate": 25, "burst": 50}. Without them the door is open.
The function's other settings (functions/invoke/settings.py) are handed on.
"""

import json
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kennel import places
from kennel.local.description import Operation, operations
from kennel.local.function import Function, FunctionError, Throttled, TimedOut, TooLarge
from kennel.local.processes import clean_environment
from kennel.local.proxy import answer_of, event_of, problem
from kennel.local.serving import serve
from kennel.local.usage import Door, Plan, Refused, Throttle

MOST_BYTES = 10 * 1024 * 1024
SECONDS = 29.0
SETTINGS = (
    "KENNEL_ENDPOINT",
    "KENNEL_ALLOWED_HOSTS",
    "KENNEL_ALLOW_HTTP",
    "KENNEL_PORTS",
    "KENNEL_CORS_ORIGINS",
    "KENNEL_S3_BUCKETS",
)
OPEN = Door()


async def checked_body(request: Request, operation: Operation, door: Door) -> bytes:
    """The body of a request that may pass to the function."""
    preflight = request.method == "OPTIONS"
    door.pass_through(request.headers.get("x-api-key"), preflight=preflight)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise Refused(413, f"the body has more than {MOST_BYTES} bytes", Connection="close")
    fault = operation.fault(request, bytes(body))
    if fault:
        raise Refused(400, fault)
    return bytes(body)


def route(operation: Operation, function: Function, door: Door) -> Route:
    async def call(request: Request) -> Response:
        request_id = str(uuid.uuid4())
        try:
            body = await checked_body(request, operation, door)
            event = event_of(request, operation.path, body, request_id)
            return answer_of(await function.invoke(event, request_id))
        except Refused as error:
            return problem(error.status, str(error), request_id, error.headers)
        except TooLarge as error:
            return problem(413, f"{error}: send a smaller picture", request_id, {})
        except Throttled:
            return problem(429, "too many requests: slow down", request_id, {"Retry-After": "1"})
        except FunctionError as error:
            print(f"request {request_id}: {error}", flush=True)
            if isinstance(error, TimedOut):
                return problem(504, "the function did not answer in time", request_id, {})
            return problem(502, "the function gave no usable answer", request_id, {})

    made = Route(operation.path, call, methods=[operation.method])
    made.methods = {operation.method}  # without the HEAD that comes with a GET
    return made


def create(function: Function, document: Mapping[str, Any], door: Door = OPEN) -> Starlette:
    """The routes of the OpenAPI document, each answered by the function."""
    known = list(operations(document))

    async def unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
        methods = [each.method for each in known if each.path == request.url.path]
        names = ", ".join(f"{each.method} {each.path}" for each in known)
        status, headers = (405, {"Allow": ", ".join(methods)}) if methods else (404, {})
        return problem(status, f"there is {names}", str(uuid.uuid4()), headers)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await function.close()

    return Starlette(
        routes=[route(operation, function, door) for operation in known],
        exception_handlers={HTTPException: unknown},
        lifespan=lifespan,
    )


def door_of(environment: Mapping[str, str]) -> Door:
    plan = json.loads(environment.get("KENNEL_USAGE_PLAN") or "null")
    throttle = json.loads(environment.get("KENNEL_THROTTLE") or "null")
    return Door(
        Plan(**plan | {"keys": tuple(plan["keys"])}) if plan else None,
        Throttle(**throttle) if throttle else None,
    )


def main() -> None:
    environment = clean_environment(
        PYTHONPATH=str(places.FUNCTIONS),
        AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=os.environ["KENNEL_RUNTIME"],
        AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="local",
        AWS_SECRET_ACCESS_KEY="local",  # noqa: S106 - the local runtime checks no signatures
        **{name: os.environ[name] for name in SETTINGS if name in os.environ},
    )
    function = Function(places.HANDLER, environment, concurrency=10, timeout=SECONDS)
    document = yaml.safe_load(places.OPENAPI.read_text())
    serve(create(function, document, door_of(os.environ)))


if __name__ == "__main__":
    main()
