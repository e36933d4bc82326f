"""How the server behaves when things go wrong around it: real HTTP, a real process."""

import http.client
import json
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.conftest import Serve, free_port, wait_for


@pytest.fixture
def picture(pictures: Path) -> bytes:
    return min(pictures.glob("test/*/*.jpg")).read_bytes()


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
    trained: Path, serve: Serve, picture: bytes
) -> None:
    port = free_port()
    process = serve(trained, port)
    wait_for(f"http://127.0.0.1:{port}/ping", process)
    httpx.post(f"http://127.0.0.1:{port}/invocations", content=picture, trust_env=False)
    process.terminate()
    output = process.communicate(timeout=20)[0]
    lines = [json.loads(line) for line in output.splitlines()]
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
    wait_for(f"http://127.0.0.1:{port}/ping", process)
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
    wait_for(f"http://127.0.0.1:{port}/ping", process)
    answers: list[httpx.Response] = []

    def ask() -> None:
        for _ in range(10):
            url = f"http://127.0.0.1:{port}/invocations"
            answers.append(httpx.post(url, content=picture, trust_env=False, timeout=30))

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
    wait_for(f"http://127.0.0.1:{port}/ping", process)
    statuses: list[int] = []
    broken: list[Exception] = []

    def ask() -> None:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
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
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    for asker in askers:
        asker.join(30)
    assert process.wait(20) == 0
    assert set(statuses) == {200}
    # Connections that the kernel took and the server never saw are reset; no answer was begun.
    assert all(isinstance(error, ConnectionError) for error in broken)
    assert len(broken) <= len(askers)


@pytest.mark.parametrize(
    "bytes_",
    [
        b"GARBAGE\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nshort",
    ],
)
def test_a_broken_client_does_not_hurt_the_next_one(
    server: httpx.Client, picture: bytes, bytes_: bytes
) -> None:
    with socket.create_connection((server.base_url.host, server.base_url.port or 80)) as client:
        client.sendall(bytes_)
        client.settimeout(1)
        with suppress(TimeoutError):  # it waits for the rest, as it should
            assert not client.recv(100).startswith(b"HTTP/1.1 5")
    assert server.post("/invocations", content=picture).status_code == 200


def test_expect_100_continue_is_answered(server: httpx.Client, picture: bytes) -> None:
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: {len(picture)}\r\n"
        "Expect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((server.base_url.host, server.base_url.port or 80)) as client:
        client.settimeout(10)
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        client.sendall(picture)
        assert client.recv(100).startswith(b"HTTP/1.1 200")
