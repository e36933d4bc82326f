"""The limits of one forwarded request, against a real server with a clock of its own."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kennel.local.usage import Throttle

if TYPE_CHECKING:
    from kennel.local.aws.serving.fleet import Fleet, Variant
    from kennel.local.aws.serving.instance import Instance


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


def instance_at(port: int) -> "Instance":
    from kennel.local.aws.serving.instance import Instance

    return Instance(Listening(f"http://127.0.0.1:{port}"), Path("none"), lambda _: None)


@pytest.fixture
def instance() -> Iterator["Instance"]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        serve = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
        serve.start()
        found = instance_at(server.server_port)
        found.client.timeout = 60
        yield found
        found.client.close()
        server.shutdown()


def test_an_answer_in_time_is_passed_on(instance: "Instance") -> None:
    from kennel.local.aws.serving.invocations import Reply, forward

    reply = forward(instance, {}, b"0.01 3")
    assert isinstance(reply, Reply)
    assert (reply.status, reply.content) == (200, b"...")


def test_silence_beyond_the_time_ends_the_request(instance: "Instance") -> None:
    from kennel.local.aws.serving.invocations import TooLong, forward

    instance.client.timeout = 0.2
    with pytest.raises(TooLong):
        forward(instance, {}, b"60 1")


def test_so_does_an_answer_that_trickles(
    instance: "Instance", monkeypatch: pytest.MonkeyPatch
) -> None:
    from kennel.local.aws.serving import invocations

    monkeypatch.setattr(invocations, "SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(invocations.TooLong):
        invocations.forward(instance, {}, b"60 600")  # never silent for long
    assert time.monotonic() - began < 30


def test_a_container_that_accepts_nothing_is_not_waited_for() -> None:
    """The kernel accepts as many as fit into the backlog, and lets the next one wait."""
    from kennel.local.aws.serving.invocations import TooLong, forward

    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        where = listener.getsockname()
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            with suppress(BlockingIOError):
                waiting.connect(where)
        instance = instance_at(where[1])
        began = time.monotonic()
        with pytest.raises(TooLong):
            forward(instance, {}, b"0 1")
        assert 0.2 < time.monotonic() - began < 30  # not the 60 seconds of an answer
        instance.client.close()


def fleet_of(name: str) -> "Fleet":
    """Without an instance."""
    from kennel.local.aws.serving.fleet import Fleet
    from kennel.local.aws.serving.specs import FleetSpec, VariantSpec

    spec = VariantSpec("live", "model", "serve", "s3://models/model.tar.gz", count=1)
    return Fleet(FleetSpec("model", name, (spec,)), ground=None)  # type: ignore[arg-type]


def test_a_fleet_that_is_replaced_while_it_is_chosen_loses_no_request(instance: "Instance") -> None:
    from kennel.local.aws.serving.endpoints import Endpoint

    blue, green = fleet_of("blue"), fleet_of("green")
    green.variants["live"]._instances.append(instance)
    endpoint = Endpoint("model", blue, None)

    def choose_and_be_replaced() -> "Variant":
        endpoint.fleet = green
        return blue.variants["live"]

    blue.choose = choose_and_be_replaced  # type: ignore[method-assign]
    assert endpoint.take(None) == (green, green.variants["live"], instance)
    assert instance.outstanding == 1


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_without_any_instance_the_service_is_unavailable(weight: float) -> None:
    from kennel.local.aws.serving.endpoints import Endpoint
    from kennel.local.aws.serving.fleet import NoInstance
    from kennel.local.aws.serving.invocations import Invocations

    endpoint: Any = Endpoint("model", fleet_of("blue"), None)
    endpoint.status = "InService"
    endpoint.fleet.variants["live"].weight = weight
    with pytest.raises(NoInstance):
        endpoint.take(None)
    calls = Invocations([endpoint], captures=None)  # type: ignore[arg-type]
    status, headers, _ = calls.invoke("model", {}, b"")
    assert (status, headers["x-amzn-errortype"]) == (503, "ServiceUnavailable")


def test_calls_beyond_the_accounts_quota_are_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    from kennel.local.aws.serving import invocations

    monkeypatch.setattr(invocations, "QUOTA", Throttle(rate=0.001, burst=2))
    calls = invocations.Invocations(Nobody(), captures=None)  # type: ignore[arg-type]
    answers = [calls.invoke("nobody", {}, b"") for _ in range(4)]
    kinds = [headers["x-amzn-errortype"] for _, headers, _ in answers]
    assert kinds == ["ValidationError"] * 2 + ["ThrottlingException"] * 2


class Nobody(list[None]):
    """No endpoints."""

    class house:  # noqa: N801 - an attribute of the real one
        account = "123456789012"
