"""An ASGI application served on the listening socket that the parent process passed on."""

import os
import socket

import uvicorn
from starlette.types import ASGIApp


def serve(application: ASGIApp) -> None:
    config = uvicorn.Config(application, access_log=False, log_level="warning", ws="none")
    config.timeout_graceful_shutdown = 5
    listener = socket.socket(fileno=int(os.environ["KENNEL_FD"]))
    uvicorn.Server(config).run(sockets=[listener])
