"""A network between client and server that can be cut."""

import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Relay:
    address: str
    left: float = math.inf  # bytes, both ways, until it is cut for good
    refuses: bool = False
    _open: list[socket.socket] = field(default_factory=list)

    def refuse(self) -> None:
        """Cut what is connected, and close each new connection until `refuses` is unset."""
        self.refuses = True
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def carry(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            self.refuse()


@contextmanager
def relay(target: str) -> Iterator[Relay]:
    listener = socket.create_server(("127.0.0.1", 0))
    found = Relay(f"http://127.0.0.1:{listener.getsockname()[1]}")
    there = urlsplit(target)

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                found.carry(len(content))
                sink.sendall(content)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if found.refuses:
                client.close()
                continue
            server = socket.create_connection((there.hostname or "", there.port or 0))
            found._open += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield found
    finally:
        listener.close()
        for each in found._open:
            each.close()
