"""The one way into a container without a network: a Unix socket in a folder that both see.

Run with `python -c` inside the container's (empty) network by a second container, this file takes
connections to the socket on to port 8080; the Docker runner takes connections to a loopback port
on to the socket. It imports nothing but the standard library, and no part of Kennel.
"""

import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

CHUNK = 256 * 1024
Connect = Callable[[], socket.socket]


def relay(listener: socket.socket, connect: Connect) -> None:
    """Take on connections until the listener is closed."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=join, args=(client, connect), daemon=True).start()


def join(client: socket.socket, connect: Connect) -> None:
    """Both directions of one connection; each may end before the other."""
    with client, suppress(OSError), connect() as server:
        for each in (client, server):
            if each.family != socket.AF_UNIX:
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = threading.Thread(target=pump, args=(server, client), daemon=True)
        answers.start()
        pump(client, server)
        answers.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def through(path: str) -> Connect:
    """Connections to a Unix socket; its folder may have a name too long for a socket's address."""
    folder, _, name = path.rpartition("/")

    def connect() -> socket.socket:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(f"/proc/self/fd/{descriptor}/{name}")
        except OSError:
            client.close()
            raise
        finally:
            os.close(descriptor)
        return client

    return connect


def main(path: str) -> None:
    """The inner half."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o666)  # noqa: PTH101, S103 - we are root here, who connects is not
        listener.listen(128)
        relay(listener, lambda: socket.create_connection(("127.0.0.1", 8080)))


if __name__ == "__main__":
    main(sys.argv[1])
