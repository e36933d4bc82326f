"""The limits of one forwarded request, against a real server with a clock of its own."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kennel.local.aws.serving import invocations
from kennel.local.aws.serving.instance import Instance
from kennel.local.aws.serving.invocations import Invocations, Reply, TooLong, forward
from kennel.local.usage import Throttle


class Slow(BaseHTTPRequestHandler):
    """Takes as many seconds as the body says, in as many parts as its second word says."""

    def do_POST(self) -> None:
        seconds, parts = self.rfile.read(int(self.headers["Content-Length"])).split()
        self.send_response(200)
        self.send_header("Content-Length", parts.decode())
        self.end_headers()
        with suppress(ConnectionError):  # the caller has had enough
            for _ in range(int(parts)):
                time.sleep(float(seconds) / int(parts))
                self.wfile.write(b".")

    def log_message(self, *_: object) -> None:
        pass


class Listening:
    log = Path("none.log")

    def __init__(self, address: str) -> None:
        self.address = address

    def exit_code(self) -> int | None:
        return None

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    monkeypatch.setattr(invocations, "SECONDS", 0.5)
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = Instance(
            Listening(f"http://127.0.0.1:{server.server_port}"), Path("none"), lambda _: None
        )
        found.client.timeout = 0.5
        yield found
        found.client.close()
        server.shutdown()


def test_an_answer_in_time_is_passed_on(instance: Instance) -> None:
    reply = forward(instance, {}, b"0.01 3")
    assert isinstance(reply, Reply)
    assert (reply.status, reply.content) == (200, b"...")


def test_silence_beyond_the_time_ends_the_request(instance: Instance) -> None:
    with pytest.raises(TooLong):
        forward(instance, {}, b"2 1")


def test_so_does_an_answer_that_trickles(instance: Instance) -> None:
    began = time.monotonic()
    with pytest.raises(TooLong):
        forward(instance, {}, b"3 30")  # never silent for half a second
    assert time.monotonic() - began < 2


def test_calls_beyond_the_accounts_quota_are_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocations, "QUOTA", Throttle(rate=0.001, burst=2))
    calls = Invocations(Nobody(), captures=None)  # type: ignore[arg-type]
    answers = [calls.invoke("nobody", {}, b"") for _ in range(4)]
    kinds = [headers["x-amzn-errortype"] for _, headers, _ in answers]
    assert kinds == ["ValidationError"] * 2 + ["ThrottlingException"] * 2


class Nobody(list[None]):
    """No endpoints."""

    class house:  # noqa: N801 - an attribute of the real one
        account = "123456789012"
