"""Where several hosts meet, and which of them is gone when one is."""

import re
import socket
from contextlib import suppress
from datetime import timedelta

from torch.distributed import Store  # type: ignore[attr-defined] # not in its __all__
from torch.distributed.elastic.rendezvous import (
    RendezvousConnectionError,
    RendezvousError,
    RendezvousInfo,
    RendezvousParameters,
)
from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import (
    C10dRendezvousBackend,
    create_backend,
)
from torch.distributed.elastic.rendezvous.dynamic_rendezvous import (
    DynamicRendezvousHandler,
    RendezvousTimeout,
)

from trainer.places import Place

BACKEND = "kennel-hosts"
PEER = re.compile(r"\[([0-9a-fA-F.:]+)\]:\d+|peer (\S+?)<\d+>")  # as gloo and as nccl name it
stores: list[Store] = []  # where the hosts meet; torch's agent has it made, and keeps it to itself


class Backend(C10dRendezvousBackend):
    @property
    def name(self) -> str:
        return BACKEND


class Meeting(DynamicRendezvousHandler):
    """Torch's own, at a port of the first host; it leaves word of who waits for the others."""

    def next_rendezvous(self) -> RendezvousInfo:
        key = waits(self._this_node.addr)
        self._store.set(key, "1")
        met = super().next_rendezvous()
        self._store.set(key, "0")
        return met


def meet(parameters: RendezvousParameters) -> Meeting:
    _, store = create_backend(parameters)
    stores[:] = [store]
    meeting: Meeting = Meeting.from_backend(
        parameters.run_id,
        store,
        Backend(store, parameters.run_id),
        parameters.min_nodes,
        parameters.max_nodes,
        parameters.local_addr,
        RendezvousTimeout(join=timedelta(seconds=int(parameters.config["join_timeout"]))),
    )
    return meeting


def waits(host: str) -> str:
    return f"kennel/waits/{host}"


def why_apart(place: Place, error: RendezvousError) -> str:
    """Who did not come, or where nobody can meet any more."""
    first, again = place.hosts[0], "start all hosts again; the run goes on from its last checkpoint"
    try:
        gone = [host for host in place.hosts if not is_waiting(stores[0], host)]
    except (IndexError, RuntimeError):
        gone = [first]
    if first in gone or isinstance(error, RendezvousConnectionError):
        if place.index == 0:
            return f"the hosts cannot meet on this one at port {place.port}: {error}"
        return (
            f"host {first}, where all hosts meet at port {place.port}, is gone or out of reach: "
            f"{again}"
        )
    if not gone:
        return f"one of the hosts {', '.join(place.hosts)} has ended the run: its log says why"
    return f"there is no sign of host {', '.join(gone)}: {again}"


def is_waiting(store: Store, host: str) -> bool:
    return store.check([waits(host)]) and store.get(waits(host)) == b"1"


def lost(place: Place, reason: str) -> str:
    """The same reason, with the host that it tells of by an address only."""
    found = PEER.search(reason)
    if place.alone or not found:
        return reason
    address = (found[1] or found[2]).removeprefix("::ffff:")
    return (
        f"the connection to host {name_of(address, place.hosts)} was lost: it has ended, or its "
        f"network has; its own log may say why ({reason})"
    )


def name_of(address: str, hosts: tuple[str, ...]) -> str:
    for host in hosts:
        with suppress(OSError):
            if socket.gethostbyname(host) == address:
                return host
    return address
