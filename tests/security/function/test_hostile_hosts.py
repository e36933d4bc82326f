"""Hosts that are slow, lie, break off or never stop: each is named, inside the deadline."""

import socket
import struct
import time
from collections.abc import Callable

import pytest

from invoke.deadline import Deadline
from invoke.fetch import fetch
from tests.security.function.conftest import (
    PATIENCE,
    PICTURE,
    Certified,
    Clock,
    Start,
    World,
    answer,
    at,
    redirect,
    refusal,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def silent(connection: socket.socket) -> None:
    connection.recv(1)  # until the other side has gone


def drip(content: bytes, clock: Clock) -> Callable[[socket.socket], None]:
    """A byte a second, by the clock of the deadline."""

    def talk(connection: socket.socket) -> None:
        for byte in content:
            connection.sendall(bytes([byte]))
            clock.now += 1
            time.sleep(0.001)  # so that the client reads a few bytes at a time

    return talk


def endless(beginning: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while True:
            connection.sendall(piece)

    return talk


IN_TIME = (504, "pictures.example did not send the picture in time")
SILENT = {"at once": b"", "after the header": answer()[:-50]}
DRIPPED = {
    "header": b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 9999,
    "body": answer(b"x" * 9999),
    "chunks": CHUNKED + b"1\r\nx\r\n" * 1999,
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("content", SILENT.values(), ids=SILENT)
def test_a_silent_host_is_left_in_time(
    start: Start, certified: Certified, world: World, content: bytes, *, tls: bool
) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(content)
        silent(connection)

    host = start(talk, certified("pictures.example") if tls else None)
    problem = refusal(world(host, silence_seconds=0.2), at(host))
    assert (problem.status, str(problem)) == IN_TIME


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("content", DRIPPED.values(), ids=DRIPPED)
def test_a_host_that_drips_is_left_in_time(
    start: Start, certified: Certified, world: World, clock: Clock, content: bytes, *, tls: bool
) -> None:
    host = start(drip(content, clock), certified("pictures.example") if tls else None)
    problem = refusal(world(host), at(host))
    assert (problem.status, str(problem)) == IN_TIME


def test_the_requests_deadline_cuts_the_fetch_short(start: Start, world: World) -> None:
    host = start(silent)
    assert refusal(world(host), at(host), seconds=0.3).status == 504


def test_it_cuts_the_fetch_from_a_host_that_drips_short_too(
    start: Start, world: World, clock: Clock
) -> None:
    host = start(drip(answer(b"x" * 9999), clock))
    problem = refusal(world(host, total_seconds=10**6), at(host), seconds=20)
    assert (problem.status, str(problem)) == IN_TIME
    assert clock.now < 9999


def test_slow_redirects_share_one_deadline(start: Start, world: World, clock: Clock) -> None:
    def talk(connection: socket.socket) -> None:
        clock.now += 0.4 * PATIENCE
        connection.sendall(redirect("/again"))

    assert refusal(world(start(talk), redirects=9), "").status == 400
    host = start(talk)
    assert refusal(world(host, redirects=9), at(host)).status == 504


def test_a_host_that_takes_no_connection_is_left_in_time(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(("127.0.0.1", port))
        policy = world(schemes=frozenset({"http"}), ports=frozenset({port}), connect_seconds=0.2)
        problem = refusal(policy, f"http://pictures.example:{port}/")
        for each in waiting:
            each.close()
    assert (problem.status, "accept a connection in time" in str(problem)) == (504, True)


def test_a_closed_port_is_named(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    policy = world(schemes=frozenset({"http"}), ports=frozenset({port}))
    problem = refusal(policy, f"http://pictures.example:{port}/")
    assert (problem.status, "cannot be reached" in str(problem)) == (502, True)


LIMIT = 100_000
LARGE = {
    "declares too much": (
        answer(b"")[:-4].replace(b"Length: 0", b"Length: 100001") + b"\r\n\r\n",
        413,
    ),
    "declares an absurd length": (
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 4000 + b"\r\n\r\n",
        413,
    ),
    "sends too much, undeclared": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LIMIT + 1), 413),
    "sends too much in chunks": (
        CHUNKED
        + b"fff\r\n"
        + b"x" * 4095
        + b"\r\n"
        + b"ffff\r\n"
        + b"x" * 65535
        + b"\r\n"
        + b"ffff\r\n"
        + b"x" * 65535
        + b"\r\n0\r\n\r\n",
        413,
    ),
}


@pytest.mark.parametrize(("content", "status"), LARGE.values(), ids=LARGE)
def test_too_many_bytes_are_refused(
    start: Start, world: World, content: bytes, status: int
) -> None:
    host = start(content)
    problem = refusal(world(host, picture_bytes=LIMIT), at(host))
    assert (problem.status, f"more than {LIMIT} bytes" in str(problem)) == (status, True)


ENDLESS = {
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096, 413),
    "chunk": (
        CHUNKED + b"ffffffff\r\n",
        b"x" * 4096,
        413,
    ),
    "tiny chunks": (
        CHUNKED,
        b"1;" + b"e" * 200 + b"\r\nx\r\n",
        502,
    ),
    "header line": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096, 502),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"x" * 1000 + b"\r\n", 502),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 502),
    "trailers": (CHUNKED + b"0\r\n", b"X-A: b\r\n", 502),
    "status line": (b"HTTP/1.1 ", b"2" * 4096, 502),
}


@pytest.mark.parametrize(("beginning", "piece", "status"), ENDLESS.values(), ids=ENDLESS)
def test_an_endless_answer_is_cut_off_by_bytes(
    start: Start, world: World, beginning: bytes, piece: bytes, status: int
) -> None:
    host = start(endless(beginning, piece))
    assert refusal(world(host, picture_bytes=LIMIT), at(host)).status == status


BROKEN = {
    "nothing": b"",
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "less than it declared": answer()[:-1],
    "a chunk size that is no number": CHUNKED + b"zz\r\n",
    "a chunk cut short": CHUNKED + b"ff\r\nx",
    "a wrong version": b"HTTP/9.9 200 OK\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "contradicting lengths": answer(PICTURE, "Content-Length: 5"),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_the_hosts_fault(start: Start, world: World, content: bytes) -> None:
    host = start(content)
    problem = refusal(world(host), at(host))
    assert (problem.status, str(problem)) == (
        502,
        "pictures.example broke off or does not speak HTTP",
    )


def test_a_reset_connection_is_the_hosts_fault(start: Start, world: World) -> None:
    def reset(connection: socket.socket) -> None:
        connection.sendall(answer()[:-9])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    host = start(reset)
    assert refusal(world(host), at(host)).status == 502


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("404 Not Found", 422),
        ("403 Forbidden", 422),
        ("204 No Content", 422),
        ("206 Part", 422),
        ("304 Same", 422),
        ("500 Failed", 502),
        ("503 Busy", 502),
    ],
)
def test_another_status_than_200_is_named(
    start: Start, world: World, status: str, ours: int
) -> None:
    host = start(answer(b"", status=status))
    problem = refusal(world(host), at(host))
    assert (problem.status, str(problem)) == (
        ours,
        f"pictures.example answered {status[:3]} to the URL",
    )


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "Identity, gzip", "zstd"])
def test_a_content_encoding_is_refused(start: Start, world: World, encoding: str) -> None:
    host = start(answer(PICTURE, f"Content-Encoding: {encoding}"))
    problem = refusal(world(host), at(host))
    assert (problem.status, "content encoding" in str(problem)) == (415, True)


@pytest.mark.parametrize("content", [answer(b""), b"HTTP/1.1 200 OK\r\nContent-"])
def test_an_answer_without_a_body_is_named(start: Start, world: World, content: bytes) -> None:
    host = start(content)
    problem = refusal(world(host), at(host))
    assert (problem.status, str(problem)) == (502, "pictures.example sent nothing")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_honest_forms_of_an_answer_are_read(
    start: Start, certified: Certified, world: World, *, tls: bool
) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, PICTURE[i : i + 1]) for i in range(len(PICTURE)))
    forms = (
        b"HTTP/1.0 200 OK\r\n\r\n" + PICTURE,
        CHUNKED + chunks + b"0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(PICTURE, "Content-Encoding: identity"),
    )
    for form in forms:
        host = start(form, certified("pictures.example") if tls else None)
        assert fetch(world(host), at(host), Deadline.after(PATIENCE)) == PICTURE
