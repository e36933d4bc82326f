"""What may be fetched, from where, and how much of it. The defaults are the strict ones."""

import socket
import ssl
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from invoke import addresses
from invoke.problems import Problem
from invoke.urls import Target


def resolve(host: str) -> list[str]:
    """All addresses of a name, by the system's resolver."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@cache
def trust() -> ssl.SSLContext:
    """Made at the first fetch: reading all authorities takes longer than starting the function."""
    return ssl.create_default_context()


class Policy(NamedTuple):
    schemes: frozenset[str] = frozenset({"https"})
    ports: frozenset[int] = frozenset({443})
    hosts: tuple[str, ...] = ()  # a name, or *.name for all below it; none at all: any host

    connect_seconds: float = 3.0
    silence_seconds: float = 5.0  # between two arrivals of bytes
    total_seconds: float = 10.0  # from the look-up of the name to the last byte
    header_bytes: int = 32 * 1024
    picture_bytes: int = 6_291_456  # what the endpoint takes
    redirects: int = 3

    is_public: Callable[[addresses.Address], bool] = addresses.is_public
    resolve: Callable[[str], list[str]] = resolve
    trust: Callable[[], ssl.SSLContext] = trust

    def check(self, target: Target) -> None:
        """Raise a Problem if the target is refused whatever its addresses are."""
        if target.scheme not in self.schemes:
            raise Problem(400, f"the URL must begin with {' or '.join(self._beginnings())}")
        if target.port not in self.ports:
            ports = ", ".join(map(str, sorted(self.ports)))
            raise Problem(400, f"the URL names port {target.port}: only {ports} can be used")
        if self.hosts and not any(matches(target.host, pattern) for pattern in self.hosts):
            raise Problem(
                403, f"pictures are not fetched from {target.host}: it is not on the list"
            )

    def _beginnings(self) -> list[str]:
        return [f"{scheme}://" for scheme in sorted(self.schemes, reverse=True)]


def matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
