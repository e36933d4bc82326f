"""From a stranger's text to a target: strict, because what parsers forgive is what attacks use."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from invoke.problems import Problem

MOST_CHARACTERS = 2048
PORTS = {"https": 443, "http": 80}
# Tabs and line ends are dropped silently by urlsplit, and a backslash is a slash to browsers.
FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.ASCII)
# A last label that is a number makes resolvers read the name as an address: 127.1, 0x7f.0.0.1.
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


class Target(NamedTuple):
    scheme: str
    host: str  # a name in ASCII, or an address without brackets
    port: int
    path: str  # with the query

    @property
    def authority(self) -> str:
        """For the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def parse(url: str) -> Target:
    """The one place that a URL names; a Problem where it is not plainly one."""
    if len(url) > MOST_CHARACTERS:
        raise Problem(400, f"the URL has more than {MOST_CHARACTERS} characters")
    if FORBIDDEN.search(url):
        raise Problem(400, "the URL holds a space, a control character or a backslash: encode it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise unreadable() from None
    if parts.scheme not in PORTS:
        raise Problem(400, "the URL must begin with https://")
    if "@" in parts.netloc:
        raise Problem(400, "the URL holds a user name or password: send it without")
    if port == 0:
        raise Problem(400, "the URL names port 0")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]")
    return Target(
        scheme=parts.scheme,
        host=host_in(parts.netloc, parts.hostname or ""),
        port=port or PORTS[parts.scheme],
        path=f"{path}?{query}" if query else path,
    )


def host_in(netloc: str, host: str) -> str:
    if "[" in netloc:
        return literal(host)
    try:
        name = host.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        raise Problem(400, "the URL's host is not a valid name") from None
    if len(name) > 253 or not NAME.fullmatch(name):
        raise Problem(400, "the URL's host is not a valid name")
    if NUMBER.fullmatch(name.rpartition(".")[2]):
        return dotted(name)
    return name


def literal(host: str) -> str:
    try:
        if "%" in host:
            raise AddressValueError("it has a zone")
        return str(IPv6Address(host))
    except AddressValueError:
        raise Problem(400, "the URL's host is not a plain IPv6 address") from None


def dotted(name: str) -> str:
    try:
        return str(IPv4Address(name))
    except AddressValueError:
        raise Problem(
            400, "the URL's host is a number: write the address as four decimal numbers"
        ) from None


def redacted(url: str) -> str:
    """For logs: without what may be secret, the query and a user's name and password."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:300]
    except ValueError:
        return "(unreadable)"


def join(url: str, location: str) -> str:
    """Where a redirect leads, seen from the URL that redirects."""
    try:
        return urljoin(url, location)
    except ValueError:
        raise unreadable() from None


def unreadable() -> Problem:
    return Problem(400, "the URL cannot be read: its host or port is malformed")
