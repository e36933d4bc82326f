"""API Gateway on loopback: HTTP becomes REST proxy events, and their answers become HTTP.

Run as a process. KENNEL_ENDPOINT names the endpoint, KENNEL_RUNTIME is the runtime API's address.
KENNEL_USAGE_PLAN asks for API keys, and KENNEL_THROTTLE limits all callers together, in JSON with
the names of Terraform's variables: {"keys": ["..."], "rate": 10, "burst": 20,
"requests_per_day": 10000} and {"rate": 25, "burst": 50}. Without them the door is open.
The function's other settings (functions/invoke/settings.py) are handed on.
"""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from kennel import places
from kennel.local.description import Operation, Table, operations
from kennel.local.function import Function
from kennel.local.processes import clean_environment
from kennel.local.proxy import Form
from kennel.local.refusals import Refused
from kennel.local.serving import serve
from kennel.local.stage import SECONDS, Stage, problem, proxied
from kennel.local.usage import Door, Plan, Throttle
from kennel.local.visit import Visit

SETTINGS = (
    "KENNEL_ENDPOINT",
    "KENNEL_ALLOWED_HOSTS",
    "KENNEL_ALLOW_HTTP",
    "KENNEL_PORTS",
    "KENNEL_CORS_ORIGINS",
    "KENNEL_S3_BUCKETS",
)
OPEN = Door()


class Helpful(Table):
    """Says what API Gateway keeps to itself: whether the path or the method is wrong."""

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        try:
            return super().find(method, path)
        except Refused as refused:
            methods = [each.method for each in self if each.path == path]
            names = ", ".join(sorted(f"{each.method} {each.path}" for each in self))
            status, headers = (405, {"Allow": ", ".join(sorted(methods))}) if methods else (404, {})
            raise Refused(refused.kind, f"there is {names}", headers, status=status) from None


def refuse(refused: Refused, visit: Visit) -> Response:
    if refused.__cause__:
        print(f"request {visit.id}: {refused.__cause__}", flush=True)
    return problem(refused, visit)


def create(function: Function, document: Mapping[str, Any], door: Door = OPEN) -> Starlette:
    """The operations of the OpenAPI document, each answered by the function."""
    table = Helpful(operations(document))

    async def guard(visit: Visit, operation: Operation) -> None:
        key = visit.request.headers.get("x-api-key")
        door.pass_through(key, needs_key=operation.needs_key)
        visit.context["identity"]["apiKey"] = key

    stage = Stage(table, proxied(function, Form()), guards=[guard], refuse=refuse)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response = await stage.answer(Request(scope, receive), scope["path"])
        await response(scope, receive, send)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await function.close()

    return Starlette(routes=[Mount("", answer)], lifespan=lifespan)


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
