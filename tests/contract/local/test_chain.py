"""Gateway, function, runtime API and server, each a process, wired as `make demo` wires them."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kennel.local import chain
from kennel.local.processes import Processes, listen


@pytest.fixture(scope="module")
def api(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with Processes(tmp_path_factory.mktemp("logs")) as processes:
        address = chain.start(trained, listen(), processes).api
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
            yield client


@pytest.fixture(scope="module")
def picture(pictures: Path) -> bytes:
    return min(pictures.glob("test/*/*.jpg")).read_bytes()


def test_a_picture_as_the_body_and_in_json_get_the_same_answer(
    api: httpx.Client, picture: bytes
) -> None:
    headers = {"Content-Type": "image/jpeg"}
    plain = api.post("/v1/predict", params={"top": 3}, content=picture, headers=headers)
    wrapped = api.post(
        "/v1/predict", params={"top": 3}, json={"image": base64.b64encode(picture).decode()}
    )
    assert plain.status_code == wrapped.status_code == 200
    assert plain.json() == wrapped.json()
    assert len(plain.json()["predictions"]) == 3


def test_the_chain_gives_the_answer_of_the_server(
    api: httpx.Client, server: httpx.Client, picture: bytes
) -> None:
    attributes = {"X-Amzn-SageMaker-Custom-Attributes": "top=2,logits=true"}
    direct = server.post("/invocations", content=picture, headers=attributes)
    through = api.post(
        "/v1/predict",
        params={"top": 2, "logits": "true"},
        content=picture,
        headers={"Content-Type": "image/jpeg"},
    )
    assert through.json() == direct.json()


def test_a_damaged_picture_is_the_callers_fault_all_the_way(
    api: httpx.Client, picture: bytes
) -> None:
    answer = api.post("/v1/predict", content=picture[:900], headers={"Content-Type": "image/jpeg"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.content)
    assert problem["detail"] == "the picture is damaged or cut short"
    assert problem["request_id"] == answer.headers["x-request-id"]
