"""The function as it is deployed, but with the DNS of the tests: no look-up leaves this machine.

127.0.0.1 is public here, pictures.example leads to it, and the port of the test's host is allowed.
"""

import os
import socket
from ipaddress import ip_address

from invoke import addresses
from invoke.application import Application
from invoke.aws import RUNTIME, Client
from invoke.backoff import Backoff
from invoke.deadline import Deadline
from invoke.endpoint import Endpoint
from invoke.fetch import fetch
from invoke.policy import Policy


def resolve(host: str) -> list[str]:
    if host == "pictures.example":
        return ["127.0.0.1"]
    try:
        return [str(ip_address(host))]
    except ValueError:
        raise socket.gaierror(socket.EAI_NONAME, "no such name") from None


def is_public(address: addresses.Address) -> bool:
    return address == ip_address("127.0.0.1") or addresses.is_public(address)


POLICY = Policy(
    schemes=frozenset({"http"}),
    ports=frozenset({int(os.environ["PICTURES_PORT"])}),
    resolve=resolve,
    is_public=is_public,
    connect_seconds=60,  # so that a busy machine is not taken for a host that is slow
    silence_seconds=60,
    total_seconds=60,
)


def fetched(url: str, deadline: Deadline) -> bytes:
    return fetch(POLICY, url, deadline)


ENDPOINT = Endpoint("dogs", Client(RUNTIME, os.environ, connections=8), Backoff())
handle = Application("dogs", (), fetched, ENDPOINT.invoke)
