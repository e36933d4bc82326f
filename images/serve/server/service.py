"""The server's life: load the model, warm it up, listen, serve until told to end."""

import asyncio
import logging
import socket

import uvicorn
import uvloop

from server import app, cpu, handlers, metrics
from server.errors import HandlerError, StartError
from server.handlers import Handler
from server.pipeline import Pipeline
from server.protocol import Impatient
from server.settings import Settings

logger = logging.getLogger("server")


def serve() -> int:
    """Load, warm up, then listen: whoever can connect gets an answer."""
    cpu.avoid_broken_amx()
    try:
        settings = Settings.read()
        handler = handlers.load(settings)
        listener = listen(settings)
    except StartError as error:
        trace = error.__cause__ if isinstance(error, HandlerError) else None
        logger.error("cannot start: %s", error, exc_info=trace)
        return 1
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(settings, handler, listener))


async def run(settings: Settings, handler: Handler, listener: socket.socket) -> int:
    """Serve until told to end (0) or until the engine is beyond help (1)."""
    pipeline = Pipeline(settings, handler)
    await pipeline.probe()
    if settings.metrics_port is not None:
        metrics.serve(settings.metrics_port)
    logger.info("ready", extra=handler.facts | {"cores": cpu.allowance()})
    Impatient.seconds = settings.upload_seconds
    config = uvicorn.Config(
        app.create(settings, pipeline),
        http=Impatient,
        ws="none",
        access_log=False,
        log_config=None,
        log_level="warning",
        backlog=1024,
        timeout_keep_alive=75,  # longer than any caller keeps one, lest it ends as they write
        timeout_graceful_shutdown=settings.grace,
    )
    server = uvicorn.Server(config)

    def stop(_: object) -> None:
        server.should_exit = True

    broken = asyncio.ensure_future(pipeline.broken.wait())
    broken.add_done_callback(stop)
    await server.serve(sockets=[listener])
    if pipeline.broken.is_set():
        logger.critical("the engine is broken: ending, so that another container takes over")
        return 1
    broken.cancel()
    return 0


def listen(settings: Settings) -> socket.socket:
    if settings.descriptor is not None:
        return socket.socket(fileno=settings.descriptor)
    try:
        return socket.create_server((settings.host, settings.port), backlog=1024)
    except OSError as error:
        raise StartError(f"{settings.host}:{settings.port}: {error.strerror}") from error
