"""What any of our servers must do at its socket, be it a process or a container: the checks.

Each takes the address of a server, and a picture. Those in OF_SLOW_CLIENTS need one that gives slow
clients no more than the `slow` seconds of its address.
"""

import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from PIL import Image

MOST = 6_291_456  # bytes that InvokeEndpoint lets through
SLOW = 5  # as a container gets it that is asked everything below: ten times what that takes
ENVIRONMENT = {"KENNEL_UPLOAD_SECONDS": str(SLOW)}
USUAL = 20  # seconds that a server gives slow clients where nothing is set
PATIENCE = 120  # so that a test ends


@dataclass(frozen=True)
class Address:
    host: str
    port: int
    picture: bytes
    slow: int = SLOW

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection((self.host, self.port), timeout=PATIENCE) as client:
            yield client

    def ask(
        self, body: bytes, path: str = "/invocations", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        try:
            connection.request("POST" if body else "GET", path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        finally:
            connection.close()

    def head(self, *lines: str, length: int | None = None) -> bytes:
        length = len(self.picture) if length is None else length
        all_lines = ["POST /invocations HTTP/1.1", "Host: x", f"Content-Length: {length}", *lines]
        return "\r\n".join([*all_lines, "", ""]).encode()


def everything(client: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    received = b""
    with suppress(ConnectionError):
        while chunk := client.recv(65536):
            received += chunk
    return received


def ping_is_empty_and_answers_in_time_under_load(server: Address) -> None:
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            server.ask(server.picture)

    askers = [threading.Thread(target=load) for _ in range(8)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(10):
            began = time.monotonic()
            status, _, content = server.ask(b"", "/ping")
            assert (status, content) == (200, b"")
            assert time.monotonic() - began < 2
    finally:
        stop.set()
        for asker in askers:
            asker.join()


def headers_beyond_those_of_invoke_endpoint_change_nothing(server: Address) -> None:
    plain = server.ask(server.picture)
    decorated = server.ask(
        server.picture,
        **{
            "Content-Type": "text/csv; charset=nonsense",
            "Accept": "image/x-odd;q=0.1",
            "Content-Encoding": "br",
            "Authorization": "Basic eDp5",
            "X-Forwarded-For": "10.0.0.1, evil",
            "X-Amzn-SageMaker-Target-Variant": "other",
            "Cookie": "a=" + "b" * 4000,
        },
    )
    assert decorated[0] == plain[0] == 200
    assert decorated[2] == plain[2]


def a_body_of_all_the_bytes_that_are_allowed_is_taken_and_one_more_is_not(server: Address) -> None:
    padded = server.picture + bytes(MOST - len(server.picture))  # after the end of its picture
    assert server.ask(padded)[0] == 200
    with server.connected() as client:
        client.sendall(server.head("Connection: close", length=MOST + 1))
        assert everything(client).startswith(b"HTTP/1.1 413")


def a_body_that_comes_in_drops_is_taken(server: Address) -> None:
    with server.connected() as client:
        client.sendall(server.head("Connection: close"))
        step = len(server.picture) // 5 + 1
        for start in range(0, len(server.picture), step):
            client.sendall(server.picture[start : start + step])
            time.sleep(0.01)
        assert everything(client).startswith(b"HTTP/1.1 200")


def a_body_that_never_ends_is_given_up(server: Address) -> None:
    with server.connected() as client:
        client.sendall(server.head("Connection: close") + b"\xff\xd8")
        began = time.monotonic()
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 408")
    assert server.slow - 0.5 < time.monotonic() - began < USUAL


def a_head_that_never_ends_is_given_up(server: Address) -> None:
    for beginning in (b"", b"POST /invocations HTTP/1.1\r\nHost: x\r\nX-Slow: "):
        with server.connected() as client:
            client.sendall(beginning)
            began = time.monotonic()
            assert everything(client) == b""
            assert server.slow - 0.5 < time.monotonic() - began < USUAL


def a_head_without_measure_is_cut_off(server: Address) -> None:
    with server.connected() as client, suppress(ConnectionError):
        client.sendall(b"GET /ping HTTP/1.1\r\n")
        for number in range(10_000):
            client.sendall(b"X-%d: " % number + b"y" * 1000 + b"\r\n")
        raise AssertionError("10 MB of headers were taken")


def clients_that_are_slow_take_nobodys_place(server: Address) -> None:
    silent = [socket.create_connection((server.host, server.port)) for _ in range(64)]
    try:
        for client in silent:
            client.sendall(server.head())
        assert server.ask(server.picture)[0] == 200
    finally:
        for client in silent:
            client.close()


def a_client_that_closes_its_half_is_taken_for_gone(server: Address) -> None:
    with server.connected() as client:
        client.sendall(server.head() + server.picture[:100])
        client.shutdown(socket.SHUT_WR)
        assert everything(client) == b""
    assert server.ask(server.picture)[0] == 200


def requests_in_one_go_are_answered_in_their_order(server: Address) -> None:
    first = server.head("X-Amzn-SageMaker-Inference-Id: one") + server.picture
    second = server.head("X-Amzn-SageMaker-Inference-Id: two", length=1) + b"x"
    third = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with server.connected() as client:
        client.sendall(first + second + third)
        answers = everything(client).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"415", b"200"]
    assert b"x-request-id: one" in answers[0].lower()
    assert b"x-request-id: two" in answers[1].lower()


def whoever_expects_100_gets_it_and_is_spared_a_body_that_is_too_long(server: Address) -> None:
    with server.connected() as client:
        client.sendall(server.head("Expect: 100-continue", "Connection: close"))
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        client.sendall(server.picture)
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    with server.connected() as client:
        client.sendall(server.head("Expect: 100-continue", "Connection: close", length=MOST + 1))
        assert everything(client).startswith(b"HTTP/1.1 413")


def a_body_in_chunks_is_taken_and_an_endless_one_cut_off(server: Address) -> None:
    chunked = b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with server.connected() as client:
        client.sendall(chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(server.picture), server.picture))
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    with server.connected() as client, suppress(ConnectionError):
        client.sendall(chunked)
        for _ in range(8):
            client.sendall(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def what_is_no_request_hurts_nobody(server: Address) -> None:
    for nonsense in (
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /invocations HTTP/9.9\r\nHost: x\r\n\r\n",
        b"DELETE /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ):
        with server.connected() as client:
            client.sendall(nonsense)
            assert not everything(client).startswith(b"HTTP/1.1 5"), nonsense
    assert server.ask(server.picture)[0] == 200


def every_answer_has_an_id_and_every_error_its_form(server: Address) -> None:
    for body, status in ((server.picture, 200), (b"x", 415), (server.picture[:-500], 422)):
        answered, headers, content = server.ask(body)
        assert answered == status
        assert headers["x-request-id"]
        if status != 200:
            assert set(json.loads(content)["error"]) == {"code", "message"}


CHECKS: list[Callable[[Address], None]] = [
    ping_is_empty_and_answers_in_time_under_load,
    headers_beyond_those_of_invoke_endpoint_change_nothing,
    a_body_of_all_the_bytes_that_are_allowed_is_taken_and_one_more_is_not,
    a_body_that_comes_in_drops_is_taken,
    a_body_that_never_ends_is_given_up,
    a_head_that_never_ends_is_given_up,
    a_head_without_measure_is_cut_off,
    clients_that_are_slow_take_nobodys_place,
    a_client_that_closes_its_half_is_taken_for_gone,
    requests_in_one_go_are_answered_in_their_order,
    whoever_expects_100_gets_it_and_is_spared_a_body_that_is_too_long,
    a_body_in_chunks_is_taken_and_an_endless_one_cut_off,
    what_is_no_request_hurts_nobody,
    every_answer_has_an_id_and_every_error_its_form,
]


OF_SLOW_CLIENTS = [
    a_body_that_never_ends_is_given_up,
    a_head_that_never_ends_is_given_up,
    what_is_no_request_hurts_nobody,
]


def sigterm_fails_nobody_in_flight(server: Address, terminate: Callable[[], None]) -> None:
    """Not one of the checks above: the server is gone after it. It has room for 32 requests."""
    photograph = large_picture()
    where = (server.host, server.port)
    clients = [socket.create_connection(where, timeout=PATIENCE) for _ in range(16)]
    *others, last = clients
    for client in others:
        client.sendall(server.head(length=len(photograph)) + photograph)
    last.sendall(server.head("Expect: 100-continue", length=len(photograph)))
    assert last.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"  # it is inside, as those before it
    last.sendall(photograph[:-1])
    terminate()
    while accepts(where):
        time.sleep(0.01)
    last.sendall(photograph[-1:])
    answers = [everything(client) for client in clients]
    for client in clients:
        client.close()
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}
    assert b"connection: close" in answers[-1]  # as it is told to go


def accepts(where: tuple[str, int]) -> bool:
    """Whether a server takes connections."""
    with suppress(OSError), socket.create_connection(where, timeout=PATIENCE):
        return True
    return False


def large_picture() -> bytes:
    """6 megapixels in a format that cannot be decoded at a fraction: it takes a while."""
    data = io.BytesIO()
    noise = Image.effect_noise((75, 50), 20).convert("RGB")
    noise.resize((3000, 2000), Image.Resampling.NEAREST).save(data, "PNG")
    return data.getvalue()
