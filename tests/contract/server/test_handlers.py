"""Handlers as SageMaker's users write them, in a real server process, over HTTP."""

import io
import json
import os
import pickle
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.contract.server.conftest import Served

Serve = Callable[..., Served]
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


def npy(values: object) -> bytes:
    data = io.BytesIO()
    np.save(data, values, allow_pickle=True)  # type: ignore[arg-type]
    return data.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"[[1, 2], [3, 4]]", "application/json"),
        (b"1,2\n3,4\n", "text/csv"),
        (npy(np.array([[1.0, 2.0], [3.0, 4.0]])), "application/x-npy"),
    ],
)
def test_two_functions_are_enough_and_the_toolkit_reads_and_writes(
    linear: Served, content: bytes, kind: str
) -> None:
    answer = linear.ask(content, kind)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == [[1.0, 4.0], [3.0, 8.0]]
    as_csv = linear.ask(content, kind, Accept="text/csv")
    assert as_csv.headers["content-type"].startswith("text/csv")
    assert as_csv.text == "1.0,4.0\n3.0,8.0\n"


class Burglar:
    """What a pickle can do to whoever opens it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_no_request_runs_code_by_a_pickle(linear: Served, tmp_path: Path) -> None:
    trace = tmp_path / "was-here"
    for content in (npy(np.array([Burglar(trace)])), pickle.dumps(Burglar(trace))):
        assert linear.ask(content, "application/x-npy").status_code == 400
        assert not trace.exists()


def bomb() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("data.npy", bytes(2**28 + 1))
    return data.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "accept", "status"),
    [
        (b"{", "application/json", "*/*", 400),
        (b"[" * 100_000, "application/json", "*/*", 400),
        (b"\xff\xfe", "text/csv", "*/*", 400),
        (b"not a zip", "application/x-npz", "*/*", 400),
        (bomb, "application/x-npz", "*/*", 413),
        (b"x", "image/jpeg", "*/*", 415),
        (b"[[1, 2]]", "application/json", "image/png", 415),
    ],
)
def test_what_cannot_be_read_is_the_fault_of_the_request(
    linear: Served, content: bytes | Callable[[], bytes], kind: str, accept: str, status: int
) -> None:
    answer = linear.ask(content() if callable(content) else content, kind, Accept=accept)
    assert answer.status_code == status, answer.text
    assert set(answer.json()["error"]) == {"code", "message"}
    assert "Traceback" not in answer.text
    assert linear.ask(b"[[1, 2]]").status_code == 200


def test_a_handler_class_gets_a_context_and_answers_in_its_own_words(moody: Served) -> None:
    answer = moody.ask('"well"', **{ATTRIBUTES: "plain"})
    assert (answer.status_code, answer.text) == (200, "model of model: well")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers[ATTRIBUTES] == "mood=fine"
    assert moody.ask('"well"').headers["content-type"] == "application/json"


def test_errors_of_the_toolkit_reach_the_client_as_they_were_meant(moody: Served) -> None:
    refused = moody.ask('"refuse"')
    assert refused.status_code == 422
    assert refused.json()["error"]["message"] == "no such mood"
    unsupported = moody.ask(b"x", "image/tiff")
    assert unsupported.status_code == 415
    assert "image/tiff" in unsupported.json()["error"]["message"]


def test_an_error_of_the_handler_is_in_the_log_and_not_in_the_answer(moody: Served) -> None:
    answer = moody.ask('"raise"')
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "secret" not in answer.text
    moody.logged("secret of the handler")
    assert moody.ask('"well"').status_code == 200
    assert moody.client.get("/ping").status_code == 200


def test_a_handler_that_fails_again_and_again_ends_the_server_with_an_error(served: Serve) -> None:
    moody = served("moody")
    for _ in range(5):
        assert moody.ask('"raise"').status_code == 500
    assert moody.process.wait(120) == 1
    with pytest.raises(httpx.TransportError):
        moody.client.get("/ping")
    moody.logged("the engine is broken")


def test_a_handler_that_crashes_takes_the_server_with_it(served: Serve) -> None:
    moody = served("moody")
    with pytest.raises(httpx.TransportError):
        moody.ask('"abort"')
    assert moody.process.wait(120) != 0
    with pytest.raises(httpx.TransportError):
        moody.client.get("/ping")


def test_a_handler_that_hangs_fails_the_ping_and_the_request_in_time(served: Serve) -> None:
    moody = served("moody", KENNEL_PATIENCE_SECONDS="1", SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS="2")
    assert moody.ask('"hang"').status_code == 504
    assert moody.client.get("/ping").status_code == 503  # while the handler hangs for an hour
    moody.logged("has not answered for")
    moody.process.terminate()
    assert moody.process.wait(120) == 0, "the thread that hangs kept the server from ending"


def test_a_handler_that_says_so_gets_what_waits_together(weights: Path, tmp_path: Path) -> None:
    with Served(weights, "together", {"TOGETHER_READ": str(tmp_path / "read")}) as together:
        answers: dict[int, str] = {}

        def ask(number: int) -> None:
            answers[number] = together.ask(str(number), "text/plain").text

        askers = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
    assert [int(answers[n].partition("/")[0]) for n in range(8)] == list(range(8))
    assert max(int(text.partition("/")[2]) for text in answers.values()) > 1


def test_who_waits_at_the_end_of_the_grace_is_told_to_come_again(served: Serve) -> None:
    moody = served("moody", KENNEL_GRACE_SECONDS="1")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(moody.ask, '"hang"')
        moody.logged("it hangs")
        moody.process.terminate()
        answer = waiting.result(timeout=120)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "ending"
    assert answer.headers["retry-after"] == "1"
    assert moody.process.wait(120) == 0


def test_one_function_alone_changes_our_own_classifier(trained: Path, pictures: Path) -> None:
    picture = min(pictures.glob("test/*/*.jpg")).read_bytes()
    with Served(trained, "labels") as labels:
        answer = labels.ask(picture, "image/jpeg")
        assert labels.ask(b"x", "image/jpeg").status_code == 415
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert len([float(line) for line in answer.text.splitlines()]) == 3


def test_requests_in_batches_keep_their_own_log_lines(linear: Served) -> None:
    linear.ask(b"[[1, 2]]", **{"X-Amzn-SageMaker-Inference-Id": "mine-7"})
    mine = json.loads(linear.logged('"mine-7"'))
    assert mine["status"] == 200
    assert mine["batch"] == 1
    assert mine["encode"] > 0
