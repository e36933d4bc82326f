"""The entry point of the inference image: `serve`, as SageMaker calls it."""

import asyncio
import logging
import signal
import socket
import sys

import uvicorn
import uvloop

from server import app, artifact, cpu, log, metrics, pictures
from server.artifact import Artifact
from server.errors import StartError
from server.pipeline import Pipeline
from server.settings import Settings

logger = logging.getLogger("server")


def serve() -> int:
    """Load, warm up, then listen: whoever can connect gets an answer."""
    try:
        settings = Settings.read()
        model = artifact.load(settings.model, int8=cpu.has_int8())
        listener = listen(settings)
    except StartError as error:
        logger.error("cannot start: %s", error)
        return 1
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(settings, model, listener))


async def run(settings: Settings, model: Artifact, listener: socket.socket) -> int:
    """Serve until told to end (0) or until the engine is beyond help (1)."""
    from server.engine import OpenVino  # noqa: PLC0415 - loaded for a model that is whole

    pipeline = Pipeline(
        settings,
        lambda content: pictures.decode(content, model.resize, model.size),
        OpenVino(model, settings.streams),
    )
    await pipeline.probe(model.size)
    if settings.metrics_port is not None:
        metrics.serve(settings.metrics_port)
    logger.info(
        "ready",
        extra={
            "model": model.name,
            "version": model.version,
            "precision": model.precision,
            "cores": cpu.allowance(),
        },
    )
    config = uvicorn.Config(
        app.create(model, settings, pipeline),
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        log_level="warning",
        backlog=1024,
        timeout_graceful_shutdown=25,  # SageMaker kills after 30 seconds
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


def main() -> int:
    log.configure()
    # To end when told to is success. Uvicorn finishes what is in flight, then hands the signal on.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if sys.argv[1:] == ["serve"]:
        return serve()
    print("usage: python -m server serve", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
