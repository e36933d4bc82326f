"""Fetch a picture from a stranger's URL, so that it can lead nowhere but to the public internet.

For the URL and for each redirect: parse it strictly, look its name up once, refuse it if any of
its addresses is not public, connect to a checked address (never to the name, which could resolve
to another by then) and hold the certificate against the name. Time and bytes are limited on the
line itself. Nothing is taken from the environment: no proxy, no credentials.
"""

import io
import socket
import ssl
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from ipaddress import ip_address
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection

from invoke import urls
from invoke.deadline import Deadline
from invoke.line import Line
from invoke.policy import Policy
from invoke.problems import Problem
from invoke.urls import Target

REDIRECTS = frozenset({301, 302, 303, 307, 308})
HEADERS = {
    "Accept": "image/jpeg, image/png, image/webp",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "kennel",
}


def fetch(policy: Policy, url: str, deadline: Deadline) -> bytes:
    """The bytes behind the URL; a Problem where it is refused or gives none."""
    deadline = deadline.within(policy.total_seconds)
    for _ in range(policy.redirects + 1):
        found = visit(policy, urls.parse(url), deadline)
        if isinstance(found, bytes):
            return found
        url = urls.join(url, found)
    raise Problem(422, f"the URL redirects more than {policy.redirects} times")


def visit(policy: Policy, target: Target, deadline: Deadline) -> bytes | str:
    """The picture at one target, or the URL that it redirects to."""
    policy.check(target)
    addresses = checked_addresses(policy, target.host)
    with closing(dial(policy, target, addresses, deadline)) as connection:
        line = Line(connection, target.host, deadline=deadline, silence=policy.silence_seconds)
        line.allowance = policy.header_bytes
        try:
            return converse(policy, target, line)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Problem(502, f"{target.host} broke off or does not speak HTTP") from error


def checked_addresses(policy: Policy, host: str) -> list[str]:
    """Look the name up, once; all its addresses must be public, or none is used."""
    try:
        found = policy.resolve(host)
    except (OSError, UnicodeError) as error:
        again = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
        raise Problem(502 if again else 422, f"the name {host} cannot be resolved") from error
    if not found or not all(policy.is_public(ip_address(address)) for address in found):
        raise Problem(400, f"{host} is not on the public internet")
    return found


def dial(policy: Policy, target: Target, addresses: list[str], deadline: Deadline) -> socket.socket:
    """A connection to the first of the addresses that takes one, encrypted for https."""
    fault = Problem(504, f"{target.host} did not accept a connection in time")
    for address in addresses:
        left = min(deadline.left(), policy.connect_seconds)
        if left <= 0:
            break
        try:
            raw = socket.create_connection((address, target.port), timeout=left)
        except TimeoutError:
            continue
        except OSError:
            fault = Problem(502, f"{target.host} cannot be reached on port {target.port}")
            continue
        return raw if target.scheme == "http" else encrypt(policy, target, raw)
    raise fault


def encrypt(policy: Policy, target: Target, raw: socket.socket) -> socket.socket:
    """TLS, with the name in the greeting and the certificate held against it."""
    try:
        return policy.trust().wrap_socket(raw, server_hostname=target.host)
    except ssl.SSLCertVerificationError as error:
        detail = f"the certificate of {target.host} does not hold: {error.verify_message}"
        fault = Problem(502, detail)
    except TimeoutError:
        fault = Problem(504, f"{target.host} did not finish the TLS handshake in time")
    except OSError:
        fault = Problem(502, f"{target.host} does not speak TLS on port {target.port}")
    raw.close()
    raise fault


class OverLine(HTTPConnection):
    """urllib3's HTTP over a line that stands already: it never looks up or connects by itself."""

    def __init__(self, *arguments: Any, line: Line, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._line = line

    def connect(self) -> None:
        self.sock = self._line  # all that HTTP asks of a socket


def converse(policy: Policy, target: Target, line: Line) -> bytes | str:
    with urllib3.HTTPConnectionPool(target.host, target.port) as pool:
        pool.ConnectionCls = partial(OverLine, line=line)  # type: ignore[assignment]
        response = pool.urlopen(
            "GET",
            target.path,
            headers={"Host": target.authority, **HEADERS},
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
            enforce_content_length=True,
        )
        if response.status in REDIRECTS:
            return location(target, response.headers)
        check_head(policy, target, response.status, response.headers)
        line.allowance = 2 * policy.picture_bytes + policy.header_bytes  # chunks have overhead
        return received(policy, target, response)


def location(target: Target, headers: Mapping[str, str]) -> str:
    try:
        return headers["Location"].encode("latin-1").decode()
    except (KeyError, UnicodeError):
        raise Problem(502, f"{target.host} redirects without saying where to") from None


def check_head(policy: Policy, target: Target, status: int, headers: Mapping[str, str]) -> None:
    """Whether what follows can be a picture at all, before any of it is read."""
    if status != 200:
        raise Problem(502 if status >= 500 else 422, f"{target.host} answered {status} to the URL")
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Problem(415, f"{target.host} sent the picture with a content encoding: {encoding}")
    length = headers.get("Content-Length", "0")
    if length.isdecimal() and int(length[:12]) > policy.picture_bytes:
        raise too_large(policy, target)


def received(policy: Policy, target: Target, response: "urllib3.BaseHTTPResponse") -> bytes:
    content = io.BytesIO()  # which gives its bytes away without a copy
    while chunk := response.read(65_536):
        content.write(chunk)
        if content.tell() > policy.picture_bytes:
            raise too_large(policy, target)
    if not content.tell():
        raise Problem(502, f"{target.host} sent nothing")
    return content.getvalue()


def too_large(policy: Policy, target: Target) -> Problem:
    limit = policy.picture_bytes
    return Problem(413, f"{target.host} sends more than {limit} bytes: link a smaller picture")
