"""The request path on loopback: gateway with function, SageMaker's runtime API, server."""

import socket
from dataclasses import dataclass
from pathlib import Path

from kennel.local.processes import Processes, address, clean_environment, listen, wait_until_up

ENDPOINT = "kennel-local"


@dataclass(frozen=True)
class Addresses:
    server: str
    runtime: str
    api: str


def start(root: Path, gateway: socket.socket, processes: Processes) -> Addresses:
    """Serve the model under `root`; each child inherits a socket that listens already."""
    listeners = {"server": listen(), "runtime": listen(), "gateway": gateway}
    addresses = Addresses(*(address(listener) for listener in listeners.values()))
    modules = {
        "server": ("server", "serve"),
        "runtime": ("kennel.local.runtime",),
        "gateway": ("kennel.local.gateway",),
    }
    for name, listener in listeners.items():
        environment = clean_environment(
            KENNEL_ENDPOINT=ENDPOINT,
            KENNEL_SERVER=addresses.server,
            KENNEL_RUNTIME=addresses.runtime,
            KENNEL_ML_ROOT=str(root),
            KENNEL_FD=str(listener.fileno()),
        )
        processes.start(name, *modules[name], environment=environment, sockets=[listener])
        listener.close()  # ours; the child has its own
    for url in (f"{addresses.server}/ping", addresses.runtime, addresses.api):
        wait_until_up(url, processes)
    return addresses
