"""SageMaker's runtime API on loopback: InvokeEndpoint, forwarded to the server of the endpoint.

Run as a process; KENNEL_ENDPOINT names the endpoint, KENNEL_SERVER is the server's address.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kennel.local.serving import serve

MOST_BYTES = 6_291_456
# All that SageMaker lets through to a container.
FORWARDED = (
    "content-type",
    "accept",
    "x-amzn-sagemaker-custom-attributes",
    "x-amzn-sagemaker-inference-id",
)


def error(status: int, code: str, message: str, **more: object) -> Response:
    """An error as botocore reads it: its code in a header, its message in the body."""
    body = json.dumps({"Message": message, **more})
    return Response(body, status, {"x-amzn-errortype": code}, "application/json")


def model_error(status: int, message: str) -> Response:
    return error(
        424,
        "ModelError",
        f"Received client or server error ({status}) from primary",
        OriginalStatusCode=status,
        OriginalMessage=message,
        LogStreamArn="local",
    )


def create(endpoint: str, client: httpx.AsyncClient) -> Starlette:
    async def invoke(request: Request) -> Response:
        name = request.path_params["name"]
        if name != endpoint:
            return error(400, "ValidationError", f"Endpoint {name} of account local not found.")
        body = await request.body()
        if len(body) > MOST_BYTES:
            return error(413, "ValidationError", f"the body has more than {MOST_BYTES} bytes")
        headers = {key: request.headers[key] for key in FORWARDED if key in request.headers}
        try:
            answer = await client.post("/invocations", content=body, headers=headers)
        except httpx.ReadTimeout:
            return model_error(0, "Your invocation timed out while waiting for a response")
        except httpx.TransportError as problem:
            return error(503, "ServiceUnavailable", f"the container does not answer: {problem!r}")
        if answer.is_error:
            return model_error(answer.status_code, answer.text[:2048])
        kind = answer.headers.get("content-type", "application/octet-stream")
        return Response(answer.content, 200, {"x-amzn-invoked-production-variant": "main"}, kind)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    path = "/endpoints/{name}/invocations"
    return Starlette(routes=[Route(path, invoke, methods=["POST"])], lifespan=lifespan)


if __name__ == "__main__":
    server = httpx.AsyncClient(base_url=os.environ["KENNEL_SERVER"], timeout=60, trust_env=False)
    serve(create(os.environ["KENNEL_ENDPOINT"], server))
