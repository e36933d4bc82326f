"""The HTTP side: SageMaker's `/ping` and `/invocations`."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server import pictures
from server.artifact import Artifact
from server.errors import Invalid, RequestError, TooLarge

log = logging.getLogger("server")
MOST_BYTES = 6_291_456  # what InvokeEndpoint lets through
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@dataclass(frozen=True)
class Options:
    """How the answer is to look: `top=5,logits=true`."""

    top: int = 5
    logits: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        given = dict(part.strip().partition("=")[::2] for part in text.split(",") if part.strip())
        unknown = given.keys() - {"top", "logits"}
        if unknown:
            raise Invalid(f"unknown option {min(unknown)}: there are top and logits")
        top, logits = given.get("top", "5"), given.get("logits", "false")
        if not (top.isascii() and top.isdigit() and 1 <= int(top) <= 1000):
            raise Invalid(f"option top is {top!r}: it can be 1 to 1000")
        if logits not in ("true", "false"):
            raise Invalid(f"option logits is {logits!r}: it can be true or false")
        return cls(int(top), logits == "true")


Infer = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def create(artifact: Artifact, infer: Infer, pool: Executor) -> Starlette:
    def classify(content: bytes) -> NDArray[np.float32]:
        return infer(pictures.decode(content, artifact.resize, artifact.size))

    async def ping(_: Request) -> Response:
        return Response()

    async def invocations(request: Request) -> Response:
        options = Options.parse(request.headers.get(ATTRIBUTES, ""))
        content = await read(request)
        scores = await asyncio.get_running_loop().run_in_executor(pool, classify, content)
        return JSONResponse(render(artifact, scores, options))

    async def refuse(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestError)  # noqa: S101 - registered for this class alone
        return problem(error.status, error.code, str(error))

    async def fail(_: Request, error: Exception) -> Response:
        log.error("internal error", exc_info=error)
        return problem(500, "internal_error", "the server failed; its log says why")

    return Starlette(
        routes=[Route("/ping", ping), Route("/invocations", invocations, methods=["POST"])],
        exception_handlers={RequestError: refuse, Exception: fail},
    )


def problem(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


async def read(request: Request) -> bytes:
    """The body, refused as soon as it is known to be too long."""
    content = bytearray()
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > MOST_BYTES:
        raise TooLarge(f"the body has {declared} bytes; at most {MOST_BYTES} are taken")
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES:
            raise TooLarge(f"the body has more than {MOST_BYTES} bytes")
    if not content:
        raise Invalid("the body is empty: send a JPEG, PNG or WebP picture")
    return bytes(content)


def render(artifact: Artifact, scores: NDArray[np.float32], options: Options) -> dict[str, object]:
    exponents = np.exp(scores - scores.max())
    probabilities = exponents / exponents.sum()
    best = np.argsort(-probabilities, kind="stable")[: options.top]
    answer: dict[str, object] = {
        "model": {"name": artifact.name, "version": artifact.version},
        "predictions": [
            {"label": artifact.classes[i], "probability": round(float(probabilities[i]), 6)}
            for i in best
        ],
    }
    if options.logits:
        answer["logits"] = [round(float(score), 6) for score in scores]
    return answer
