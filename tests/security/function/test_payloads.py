"""No URL of the public lists of SSRF payloads is connected to, whatever family it belongs to."""

import socket
from ipaddress import ip_address

import pytest

from invoke import addresses, urls
from invoke.deadline import Deadline
from invoke.fetch import fetch
from invoke.policy import Policy
from invoke.problems import Problem
from tests.security.function.payloads import NAMES, table

TABLE = table()


def resolve(host: str) -> list[str]:
    """The DNS of the table: literals mean themselves, unknown names do not exist."""
    try:
        return [NAMES.get(host) or str(ip_address(host))]
    except ValueError:
        raise socket.gaierror(socket.EAI_NONAME, "no such name") from None


# All that a configuration could ever allow: what is refused here is refused always.
WIDEST = Policy(
    schemes=frozenset({"http", "https"}),
    ports=frozenset(range(65536)),
    resolve=resolve,
    connect_seconds=0.2,  # as nothing is connected to, it is not waited out
)


def test_the_table_covers_three_hundred_cases_and_more() -> None:
    assert len({url for _, url in TABLE}) >= 300
    assert len({family for family, _ in TABLE}) >= 40


@pytest.mark.parametrize(("family", "url"), TABLE, ids=[f"{f}: {u[:60]!r}" for f, u in TABLE])
def test_the_payload_is_refused(family: str, url: str) -> None:
    with pytest.raises(Problem) as caught:
        fetch(WIDEST, url, Deadline.after(60))
    # 502 and 504 would mean that a connection was tried, 422 that a name was not known.
    assert caught.value.status == 400, (family, url, str(caught.value))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "93.184.215.14",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450:4001::200e",
        "2400:cb00::1",
        "2001:4860:4860::8888",
    ],
)
def test_public_addresses_pass(address: str) -> None:
    assert addresses.is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://pictures.example", "pictures.example", 443, "/"),
        ("HTTPS://Pictures.Example.:443/A?b#c", "pictures.example", 443, "/A?b"),
        ("http://pictures.example:8080/?q=[1]", "pictures.example", 8080, "/?q=[1]"),
        ("https://bücher.example/süß", "xn--bcher-kva.example", 443, "/s%C3%BC%C3%9F"),
        (
            "https://pictures.example//evil.example/..//a",
            "pictures.example",
            443,
            "//evil.example/..//a",
        ),
        ("https://[2606:4700:0::1111]/a", "2606:4700::1111", 443, "/a"),
        ("https://8.8.8.8/a%20b", "8.8.8.8", 443, "/a%20b"),
        ("https://my_bucket.example/a", "my_bucket.example", 443, "/a"),
    ],
)
def test_ordinary_urls_are_read(url: str, host: str, port: int, path: str) -> None:
    target = urls.parse(url)
    assert (target.host, target.port, target.path) == (host, port, path)
