"""The HTTP side: SageMaker's `/ping`, `/invocations` and `/execution-parameters`."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server import metrics
from server.admission import House, Place
from server.errors import Ending, Overloaded, RequestError, Slow, TooLarge, told
from server.invocation import Context, Invocation
from server.pipeline import Pipeline, Stages
from server.settings import Settings

log = logging.getLogger("server")
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
QUIET = 30.0  # seconds without requests after which a ping asks the engine itself
PING = 1.5  # seconds; SageMaker waits for 2
CLIENT_GONE = 499  # for the log: nobody is there to be answered
Result = TypeVar("Result")


def create(settings: Settings, pipeline: Pipeline) -> Starlette:
    house = House(settings.most_requests, settings.most_bytes_inside)

    async def ping(_: Request) -> Response:
        reason = await unfit(pipeline, settings.patience)
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
        request_id = request.headers.get(INFERENCE_ID, "")[:64] or str(uuid.uuid4())
        try:
            response = await answer(request, stages)
        except asyncio.CancelledError:  # by uvicorn, at the end of the grace
            ending = Ending("the server ended before it had an answer: send the request again")
            response = problem(ending, request_id)
        except ClientDisconnect:
            response = Response(status_code=CLIENT_GONE)
        except Exception as error:  # noqa: BLE001 - of whatever went wrong, the client learns this
            response = problem(error, request_id)
        response.headers["X-Request-Id"] = request_id
        # Once the answer is on its way: no client waits for our log.
        response.background = BackgroundTask(
            record, response.status_code, request_id, stages, time.monotonic() - began
        )
        return response

    async def answer(request: Request, stages: Stages) -> Response:
        with house.enter(declared_bytes(request, settings.most_bytes)) as place:
            content = await read(request, place, settings)
            place.settle()
            invocation = Invocation(
                content,
                request.headers.get("content-type", ""),
                accepted(request, settings.accept),
                Context(request.headers, str(settings.model)),
            )
            reply = await unless_gone(request, pipeline.answer(invocation, stages))
        headers = {"Content-Type": reply.content_type} | invocation.context.response_headers
        return Response(reply.content, headers=headers)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        metrics.inside.set_function(lambda: house.requests)
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


async def unfit(pipeline: Pipeline, patience: float) -> str:
    """Why the endpoint should not send requests here, or nothing."""
    now, health = time.monotonic(), pipeline.health
    if reason := health.reason(now, patience):
        return reason
    busy = health.running_since or now - health.last_answer < QUIET
    if busy and not health.failures:
        return ""
    try:
        async with asyncio.timeout(PING):
            await pipeline.probe()
    except TimeoutError:
        return f"the engine did not answer a probe within {PING} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, the engine is not fit
        return f"the engine failed a probe: {error}"
    return ""


async def unless_gone(request: Request, work: Coroutine[None, None, Result]) -> Result:
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


def declared_bytes(request: Request, most: int) -> int:
    """The size of the body as its head has it; refused there where it is too much."""
    text = request.headers.get("content-length", "0")
    declared = int(text) if text.isdigit() else 0
    if declared > most:
        raise TooLarge(f"the body has {declared} bytes; at most {most} are taken")
    return declared


async def read(request: Request, place: Place, settings: Settings) -> bytes:
    """The body, refused as soon as it is known to be too long or too slow."""
    content = bytearray()
    try:
        async with asyncio.timeout(settings.upload_seconds):
            async for chunk in request.stream():
                place.grow(len(chunk))
                content += chunk
                if len(content) > settings.most_bytes:
                    raise TooLarge(f"the body has more than {settings.most_bytes} bytes")
    except TimeoutError:
        raise Slow(f"the body did not come within {settings.upload_seconds:g} s") from None
    return bytes(content)


def accepted(request: Request, default: str) -> str:
    accept = request.headers.get("accept", "")
    return default if accept in ("", "*/*") else accept


def problem(error: Exception, request_id: str) -> Response:
    """What a client may know of a failure; the log has the rest of it."""
    unknown = 500, "internal_error", "the server failed; its log says why"
    status, code, message = told(error) or unknown
    if status >= 500 and not isinstance(error, RequestError):
        log.error("internal error", exc_info=error, extra={"request_id": request_id})
    response = JSONResponse({"error": {"code": code, "message": message}}, status)
    if isinstance(error, Overloaded):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


async def record(status: int, request_id: str, stages: Stages, seconds: float) -> None:
    """One line and the counters for a request; nothing of its content."""
    metrics.requests.labels(status).inc()
    spent = {name: round(value, 2) for name, value in vars(stages).items()}
    if stages.batch:
        metrics.batches.observe(stages.batch)
        for name in ("decode", "queue", "infer", "encode"):
            metrics.stages.labels(name).observe(spent[name] / 1000)
    extra = {"request_id": request_id, "status": status, "total": round(seconds * 1000, 2), **spent}
    log.info("request", extra=extra)
