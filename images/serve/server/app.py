"""The HTTP side: SageMaker's `/ping`, `/invocations` and `/execution-parameters`."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server import metrics
from server.artifact import Artifact
from server.errors import Invalid, RequestError, TooLarge
from server.pipeline import Pipeline, Stages
from server.settings import Settings

log = logging.getLogger("server")
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
PATIENCE = 15.0  # seconds without an answer of the engine that make it unfit
QUIET = 30.0  # seconds without requests after which a ping asks the engine itself
PING = 1.5  # seconds; SageMaker waits for 2
CLIENT_GONE = 499  # for the log: nobody is there to be answered


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
        if not (top.isascii() and top.isdigit() and len(top) < 5 and 1 <= int(top) <= 1000):
            raise Invalid(f"option top is {top[:20]!r}: it can be 1 to 1000")
        if logits not in ("true", "false"):
            raise Invalid(f"option logits is {logits[:20]!r}: it can be true or false")
        return cls(int(top), logits == "true")


def create(artifact: Artifact, settings: Settings, pipeline: Pipeline) -> Starlette:
    async def ping(_: Request) -> Response:
        reason = await unfit(pipeline, artifact.size)
        if reason:
            log.error("ping failed: %s", reason)
        return Response(status_code=503 if reason else 200)

    async def execution_parameters(_: Request) -> Response:
        return JSONResponse(
            {
                "MaxConcurrentTransforms": max(2, settings.most_requests // 4),
                "BatchStrategy": "SINGLE_RECORD",
                "MaxPayloadInMB": settings.most_bytes // (1024 * 1024),
            }
        )

    async def invocations(request: Request) -> Response:
        began, stages = time.monotonic(), Stages()
        request_id = request.headers.get(INFERENCE_ID) or str(uuid.uuid4())
        try:
            response = await answer(request, stages)
        except RequestError as error:
            response = problem(error)
        except ClientDisconnect:
            response = Response(status_code=CLIENT_GONE)
        except Exception:
            log.exception("internal error", extra={"request_id": request_id})
            response = refusal(500, "internal_error", "the server failed; its log says why")
        response.headers["X-Request-Id"] = request_id
        record(response.status_code, request_id, stages, time.monotonic() - began)
        return response

    async def answer(request: Request, stages: Stages) -> Response:
        options = Options.parse(request.headers.get(ATTRIBUTES, ""))
        content = await read(request, settings.most_bytes)
        scores = await unless_gone(request, pipeline.classify(content, stages))
        return JSONResponse(render(artifact, scores, options))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        metrics.inside.set_function(lambda: pipeline.inside)
        yield
        pipeline.close()

    return Starlette(
        routes=[
            Route("/ping", ping),
            Route("/execution-parameters", execution_parameters),
            Route("/invocations", invocations, methods=["POST"]),
        ],
        lifespan=lifespan,
    )


async def unfit(pipeline: Pipeline, size: int) -> str:
    """Why the endpoint should not send requests here, or nothing."""
    now, health = time.monotonic(), pipeline.health
    if reason := health.reason(now, PATIENCE):
        return reason
    if now - health.last_answer < QUIET or health.running_since:
        return ""
    try:
        async with asyncio.timeout(PING):
            await pipeline.probe(size)
    except TimeoutError:
        return f"the engine did not answer a probe within {PING} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, the engine is not fit
        return f"the engine failed a probe: {error}"
    return ""


async def unless_gone(
    request: Request, work: Coroutine[None, None, NDArray[np.float32]]
) -> NDArray[np.float32]:
    """The result of the work, which is given up as soon as its client has left."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def read(request: Request, most: int) -> bytes:
    """The body, refused as soon as it is known to be too long."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most:
        raise TooLarge(f"the body has {declared} bytes; at most {most} are taken")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise TooLarge(f"the body has more than {most} bytes")
    if not content:
        raise Invalid("the body is empty: send a JPEG, PNG or WebP picture")
    return bytes(content)


def render(artifact: Artifact, scores: NDArray[np.float32], options: Options) -> dict[str, object]:
    exponents = np.exp(scores - scores.max())
    probabilities = exponents / exponents.sum()
    best = np.argsort(-probabilities, kind="stable")[: options.top]
    content: dict[str, object] = {
        "model": {"name": artifact.name, "version": artifact.version},
        "predictions": [
            {"label": artifact.classes[i], "probability": round(float(probabilities[i]), 6)}
            for i in best
        ],
    }
    if options.logits:
        content["logits"] = [round(float(score), 6) for score in scores]
    return content


def problem(error: RequestError) -> Response:
    response = refusal(error.status, error.code, str(error))
    if error.retry_after:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def refusal(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


def record(status: int, request_id: str, stages: Stages, seconds: float) -> None:
    """One line and the counters for a request; nothing of its content."""
    metrics.requests.labels(status).inc()
    spent = {name: round(value, 2) for name, value in asdict(stages).items()}
    if stages.batch:
        metrics.batches.observe(stages.batch)
        for name in ("decode", "queue", "infer"):
            metrics.stages.labels(name).observe(spent[name] / 1000)
    extra = {"request_id": request_id, "status": status, "total": round(seconds * 1000, 2), **spent}
    log.info("request", extra=extra)
