"""Hosts on loopback that behave as a test says, with TLS by an authority made for the tests."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from socket import create_server, socket

import pytest
import trustme

from invoke import addresses, deadline
from invoke.deadline import Deadline
from invoke.fetch import fetch
from invoke.policy import Policy
from invoke.problems import Problem

Talk = Callable[[socket], None]
PATIENCE = 60.0  # seconds of each limit that a test does not shorten; none of them is waited out
PICTURE = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x40\x00\x00\x00\x30\x08\x02\x00\x00\x00"
    + bytes(99)
)


def answer(body: bytes = PICTURE, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(url: str) -> bytes:
    return answer(b"", f"Location: {url}", status="302 Found")


def says(content: bytes) -> Talk:
    return lambda connection: connection.sendall(content)


@dataclass
class Host:
    """One listening socket; each connection's request is read, then `talk` answers it."""

    talk: Talk
    tls: ssl.SSLContext | None = None
    requests: list[bytes] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)  # asked for in TLS greetings

    def __post_init__(self) -> None:
        self._listener = create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket] = []
        if self.tls:
            self.tls.sni_callback = lambda _, name, __: self.names.append(name)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed when the test ends
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, raw: socket) -> None:
        with suppress(OSError), raw:
            connection = self.tls.wrap_socket(raw, server_side=True) if self.tls else raw
            with connection:
                self._open.append(connection)
                self.requests.append(head(connection))
                self.talk(connection)

    def close(self) -> None:
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(2)


def head(connection: socket) -> bytes:
    """The request; or the first bytes of what is no HTTP."""
    content = connection.recv(4096)
    while content.startswith(b"GET ") and b"\r\n\r\n" not in content:
        content += connection.recv(4096)
    return content


Start = Callable[..., Host]


@pytest.fixture
def start() -> Iterator[Start]:
    hosts: list[Host] = []

    def make(talk: Talk | bytes, tls: ssl.SSLContext | None = None) -> Host:
        hosts.append(Host(says(talk) if isinstance(talk, bytes) else talk, tls))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certified(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """A factory of server contexts with a certificate for the given names."""

    def make(*names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        return context

    return make


@pytest.fixture
def world(authority: trustme.CA) -> Callable[..., Policy]:
    """A factory of policies: 127.0.0.1 is public here, the names of *.example lead to it.

    All else is as strict as in production, except where a test says so. The limits of time are
    longer, so that on a busy machine only those that a test shortens are reached.
    """
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)

    def is_public(address: addresses.Address) -> bool:
        return address == ip_address("127.0.0.1") or addresses.is_public(address)

    strict = Policy(
        is_public=is_public,
        resolve=lambda host: ["127.0.0.1"] if host.endswith(".example") else [host],
        trust=lambda: trusted,
        connect_seconds=PATIENCE,
        silence_seconds=PATIENCE,
        total_seconds=PATIENCE,
    )

    def make(*hosts: Host, **changes: object) -> Policy:
        schemes = frozenset("https" if host.tls else "http" for host in hosts)
        ports = frozenset(host.port for host in hosts)
        return strict._replace(**{"schemes": schemes, "ports": ports, **changes})

    return make


World = Callable[..., Policy]
Certified = Callable[..., ssl.SSLContext]


class Clock:
    """Stands in for `time` in deadlines: the time stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(deadline, "time", made)
    return made


def refusal(policy: Policy, url: str, seconds: float = PATIENCE) -> Problem:
    """The problem that a fetch ends in, long before a limit that the test has not shortened."""
    began = time.monotonic()
    with pytest.raises(Problem) as caught:
        fetch(policy, url, Deadline.after(seconds))
    assert time.monotonic() - began < PATIENCE / 2
    return caught.value


def at(host: Host, name: str = "pictures.example", path: str = "/dog.png") -> str:
    return f"{'https' if host.tls else 'http'}://{name}:{host.port}{path}"
