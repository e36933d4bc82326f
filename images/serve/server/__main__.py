"""The entry point of the inference image: `serve`, as SageMaker calls it."""

import logging
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn

from server import app, artifact
from server.errors import ArtifactError

log = logging.getLogger("server")


def serve() -> int:
    """Load, warm up, then listen: whoever can connect gets an answer."""
    folder = Path(os.environ.get("KENNEL_ML_ROOT", "/opt/ml"), "model")
    try:
        loaded = artifact.load(folder)
    except ArtifactError as error:
        log.error("cannot start: %s", error)
        return 1

    from server.engine import Engine  # noqa: PLC0415 - OpenVINO is loaded for a model that is whole

    log.info("model %s version %s is ready", loaded.name, loaded.version)
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
        application = app.create(loaded, Engine(loaded).infer, pool)
        config = uvicorn.Config(
            application,
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=25,  # SageMaker kills after 30 seconds
        )
        uvicorn.Server(config).run(sockets=[listener()])
    return 0


def listener() -> socket.socket:
    """The socket to serve on: one that the parent process has opened, or an address of our own."""
    if "KENNEL_FD" in os.environ:
        return socket.socket(fileno=int(os.environ["KENNEL_FD"]))
    # The image sets 0.0.0.0, because SageMaker calls from outside the container.
    host, port = (
        os.environ.get("KENNEL_HOST", "127.0.0.1"),
        int(os.environ.get("KENNEL_PORT", "8080")),
    )
    return socket.create_server((host, port))


def main() -> int:
    # To end when told to is success. Uvicorn finishes what is in flight, then hands the signal on.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    if sys.argv[1:] == ["serve"]:
        return serve()
    print("usage: python -m server serve", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
