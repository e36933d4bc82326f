"""How the server behaves when things go wrong around it: real HTTP, a real process."""

import http.client
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.conftest import Serve, free_port, wait_for
from tests.contract.server import manners
from tests.contract.server.conftest import Served
from tests.fuzz.targets import fuzz_heads, fuzz_server


@pytest.fixture
def picture(pictures: Path) -> bytes:
    return min(pictures.glob("test/*/*.jpg")).read_bytes()


@pytest.fixture(scope="module")
def usual(trained: Path) -> Iterator[Served]:
    """A server with the usual settings."""
    with Served(trained) as served:
        yield served
        served.process.terminate()
        assert served.process.wait(120) == 0
        assert all(json.loads(line)["message"] for line in served.lines())


@pytest.fixture(scope="module")
def server(usual: Served) -> httpx.Client:
    return usual.client


def test_the_request_id_goes_through_and_is_made_where_there_is_none(
    server: httpx.Client, picture: bytes
) -> None:
    headers = {"X-Amzn-SageMaker-Inference-Id": "mine-1"}
    answer = server.post("/invocations", content=picture, headers=headers)
    assert answer.headers["x-request-id"] == "mine-1"
    assert len(server.post("/invocations", content=b"x").headers["x-request-id"]) == 36


def test_execution_parameters_are_those_of_batch_transform(server: httpx.Client) -> None:
    answer = server.get("/execution-parameters").json()
    assert answer["BatchStrategy"] == "SINGLE_RECORD"
    assert answer["MaxPayloadInMB"] == 6
    assert answer["MaxConcurrentTransforms"] >= 2


def test_the_log_is_json_with_stage_times_and_nothing_of_the_picture(
    usual: Served, picture: bytes
) -> None:
    """That it is JSON to its end is seen when the server has ended: `usual`."""
    usual.ask(picture, "image/jpeg", **{"X-Amzn-SageMaker-Inference-Id": "in-the-log"})
    usual.logged('"in-the-log"')
    lines = [json.loads(line) for line in usual.lines() if '"in-the-log"' in line]
    [request] = [line for line in lines if line["message"] == "request"]
    assert request["status"] == 200
    assert request["decode"] > 0
    assert request["infer"] > 0
    assert request["total"] >= request["infer"]


def test_metrics_are_on_a_port_of_their_own_on_loopback(
    trained: Path, serve: Serve, picture: bytes
) -> None:
    port, metrics = free_port(), free_port()
    process = serve(trained, port, KENNEL_METRICS_PORT=str(metrics))
    wait_for(f"http://127.0.0.1:{port}/ping", process, seconds=120)
    httpx.post(f"http://127.0.0.1:{port}/invocations", content=picture, trust_env=False)
    text = httpx.get(f"http://127.0.0.1:{metrics}/metrics", trust_env=False).text
    assert 'kennel_requests_total{status="200"} 1.0' in text
    assert 'kennel_stage_seconds_count{stage="infer"} 1.0' in text
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
    assert answer.status_code == 404


def test_beyond_its_limit_it_refuses_with_a_time_to_come_back(
    trained: Path, serve: Serve, picture: bytes
) -> None:
    port = free_port()
    process = serve(trained, port, KENNEL_MOST_REQUESTS="1")
    wait_for(f"http://127.0.0.1:{port}/ping", process, seconds=120)
    answers: list[httpx.Response] = []

    def ask() -> None:
        for _ in range(10):
            url = f"http://127.0.0.1:{port}/invocations"
            answers.append(httpx.post(url, content=picture, trust_env=False, timeout=120))

    askers = [threading.Thread(target=ask) for _ in range(6)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["code"] == "overloaded"


def test_sigterm_under_load_loses_no_accepted_request(
    trained: Path, serve: Serve, picture: bytes
) -> None:
    port = free_port()
    process = serve(trained, port)
    wait_for(f"http://127.0.0.1:{port}/ping", process, seconds=120)
    statuses: list[int] = []
    broken: list[Exception] = []

    def ask() -> None:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            try:
                connection.connect()
            except OSError:
                return  # the server accepts no more
            try:
                connection.request("POST", "/invocations", picture)
                statuses.append(connection.getresponse().status)
            except OSError as error:
                broken.append(error)
                return
            finally:
                connection.close()

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    while len(statuses) < 20:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    for asker in askers:
        asker.join(120)
    assert process.wait(120) == 0
    assert set(statuses) == {200}
    # Connections that the kernel took and the server never saw are reset; no answer was begun.
    assert all(isinstance(error, ConnectionError) for error in broken)
    assert len(broken) <= len(askers)


def test_bodies_that_are_too_much_together_are_refused_before_they_are_read(
    trained: Path, serve: Serve, picture: bytes
) -> None:
    port = free_port()
    process = serve(trained, port, KENNEL_MOST_MB_INSIDE="6", KENNEL_UPLOAD_SECONDS="600")
    wait_for(f"http://127.0.0.1:{port}/ping", process, seconds=120)
    address = manners.Address("127.0.0.1", port, picture)
    with address.connected() as client:
        client.sendall(address.head(length=5_000_000) + bytes(4_000_000))
        answer = answer_to_the_head(address, 5_000_000)
    assert answer.startswith(b"HTTP/1.1 429")
    assert b"retry-after: 1" in answer.lower()
    assert address.ask(picture)[0] == 200


def answer_to_the_head(address: manners.Address, length: int) -> bytes:
    """The answer to a request of whose body nothing is sent; asked again until there is one."""
    for patience in (0.1 * 2**attempt for attempt in range(10)):
        with address.connected() as client:
            client.settimeout(patience)
            client.sendall(address.head(length=length))
            with suppress(TimeoutError):
                return client.recv(1000)
    pytest.fail("the server waits for the body")


def test_batch_transform_may_send_what_it_was_told_to_send(
    trained: Path, serve: Serve, picture: bytes
) -> None:
    port = free_port()
    job = {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}
    process = serve(trained, port, SAGEMAKER_MAX_CONCURRENT_TRANSFORMS="200", **job)
    wait_for(f"http://127.0.0.1:{port}/ping", process, seconds=120)
    address = manners.Address("127.0.0.1", port, picture)
    parameters = json.loads(address.ask(b"", "/execution-parameters")[2])
    assert parameters["MaxPayloadInMB"] == 100
    assert parameters["MaxConcurrentTransforms"] == 50
    assert address.ask(picture + bytes(8_000_000))[0] == 200


@pytest.fixture(scope="module")
def impatient(trained: Path) -> Iterator[Served]:
    """A server that gives slow clients little time."""
    with Served(trained, environment={"KENNEL_UPLOAD_SECONDS": "1"}) as served:
        yield served
        served.process.terminate()
        assert served.process.wait(120) == 0


@pytest.mark.parametrize("check", manners.CHECKS, ids=lambda check: check.__name__)
def test_manners_at_the_socket(
    request: pytest.FixtureRequest, picture: bytes, check: Callable[[manners.Address], None]
) -> None:
    hurried = check in manners.OF_SLOW_CLIENTS
    served: Served = request.getfixturevalue("impatient" if hurried else "usual")
    check(manners.Address("127.0.0.1", served.port, picture, slow=1))


def test_mangled_pictures_are_refused_and_leave_nothing_behind(usual: Served) -> None:
    """A share of what `make fuzz` sends."""
    pid = usual.process.pid
    answered = fuzz_server(usual.port, pid, seed=1, shares=2, clients=2)
    assert answered.growth_mb < 32, answered
    fuzz_heads(usual.port, seed=1, count=100)
    assert usual.process.poll() is None


def test_sigterm_fails_nobody_in_flight(trained: Path, serve: Serve, picture: bytes) -> None:
    port = free_port()
    process = serve(trained, port)
    wait_for(f"http://127.0.0.1:{port}/ping", process, seconds=120)
    address = manners.Address("127.0.0.1", port, picture)
    manners.sigterm_fails_nobody_in_flight(address, process.terminate)
    assert process.wait(120) == 0
