"""SageMaker's contract with the inference container, over HTTP against a real server process."""

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Serve, free_port, listening, wait_for
from tests.contract.server.conftest import Served

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@pytest.fixture
def picture(pictures: Path) -> bytes:
    return min(pictures.glob("test/*/*")).read_bytes()


@pytest.fixture(scope="module")
def served(trained: Path) -> Iterator[Served]:
    with Served(trained) as served:
        yield served


@pytest.fixture(scope="module")
def server(served: Served) -> httpx.Client:
    return served.client


def test_ping_is_empty_and_ok(server: httpx.Client) -> None:
    answer = server.get("/ping")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_picture_is_classified(server: httpx.Client, picture: bytes) -> None:
    answer = server.post("/invocations", content=picture, headers={ATTRIBUTES: "top=2,logits=true"})
    assert answer.status_code == 200
    content = answer.json()
    assert content["model"]["name"] == "small"
    first, second = content["predictions"]
    assert 1 >= first["probability"] >= second["probability"] >= 0
    assert len(content["logits"]) == 3


def test_every_kind_of_picture_is_taken(server: httpx.Client, pictures: Path) -> None:
    for path in sorted(pictures.glob("train/*/*")):
        answer = server.post("/invocations", content=path.read_bytes())
        assert answer.status_code == 200, (path, answer.text)
        assert sum(each["probability"] for each in answer.json()["predictions"]) == pytest.approx(
            1, abs=1e-4
        )


@pytest.mark.parametrize(
    ("body", "attributes", "status", "message"),
    [
        (b"", "", 400, "the body is empty"),
        (b"hello", "", 415, "not a JPEG, PNG or WebP"),
        (b"GIF89a" + bytes(40), "", 415, "not a JPEG, PNG or WebP"),
        (None, "top=0", 400, "option top is '0'"),
        (None, "top=1\xb2", 400, "option top"),
        (None, "logits=maybe", 400, "option logits is 'maybe'"),
        (None, "colour=red", 400, "unknown option colour"),
        (bytes(6_291_457), "", 413, "at most 6291456 are taken"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(
    server: httpx.Client,
    picture: bytes,
    body: bytes | None,
    attributes: str,
    status: int,
    message: str,
) -> None:
    headers = {ATTRIBUTES: attributes.encode("latin-1")}
    content = picture if body is None else body
    answer = server.post("/invocations", content=content, headers=headers)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


def test_a_picture_cut_short_is_no_fault_of_the_server(
    server: httpx.Client, picture: bytes
) -> None:
    answer = server.post("/invocations", content=picture[: len(picture) // 2])
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "unreadable_picture"


def test_an_undeclared_endless_body_is_cut_off(server: httpx.Client) -> None:
    answer = server.post("/invocations", content=(bytes(1 << 20) for _ in range(8)))
    assert answer.status_code == 413


def test_sigterm_ends_the_server_with_0(trained: Path, serve: Serve) -> None:
    port = free_port()
    process = serve(trained, port)
    wait_for(f"http://127.0.0.1:{port}/ping", process, seconds=120)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0


def test_a_damaged_model_stops_the_start_with_one_readable_line(model: Path, serve: Serve) -> None:
    (model / "model/openvino/model.bin").write_bytes(b"")
    process = serve(model, free_port())
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "model.bin was altered" in output
    assert len(output.splitlines()) == 1


def test_outside_a_container_the_server_listens_on_loopback(served: Served) -> None:
    assert listening(served.process.pid) == {"127.0.0.1"}
