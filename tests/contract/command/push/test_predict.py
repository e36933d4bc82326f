"""`kennel predict` against the real chain, and against an API that is busy."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kennel.local import chain
from kennel.local.processes import Processes, listen

PICTURE = b"\xff\xd8\xff as far as anyone here looks"
ANSWER = {
    "model": {"name": "m", "version": "1"},
    "predictions": [{"label": "dog", "probability": 0.9}, {"label": "cat", "probability": 0.1}],
}
Predict = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def predict(tmp_path: Path) -> Predict:
    """The command, with outputs of a service given as plain values."""

    def run(
        *arguments: str, service: dict[str, Any] | None = None, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "outputs.json").write_text(json.dumps({"service": service or {}}))
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "KENNEL_"))}
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        return subprocess.run(
            [sys.executable, "-m", "kennel", "predict", *arguments],
            cwd=tmp_path,
            env=inherited
            | keys
            | {"KENNEL_OUTPUTS": "outputs.json", "COLUMNS": "200", "NO_PROXY": "127.0.0.1"}
            | settings,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def lines(run: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.stdout.splitlines()]


# The real chain ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def addresses(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[chain.Addresses]:
    with Processes(tmp_path_factory.mktemp("logs")) as processes:
        yield chain.start(trained, listen(), processes)


def test_api_and_endpoint_give_the_same_answers_for_a_folder(
    addresses: chain.Addresses, predict: Predict, pictures: Path
) -> None:
    service = {
        "predict_url": f"{addresses.api}/v1/predict",
        "api_key": "the-key-of-the-api",
        "endpoint_name": chain.ENDPOINT,
        "region": "eu-west-1",
    }
    folder = str(pictures / "test")
    through = predict(folder, "--json", service=service)
    direct = predict(
        folder,
        "--json",
        "--endpoint",
        service=service,
        AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=addresses.runtime,
    )
    assert through.returncode == direct.returncode == 0, through.stderr + direct.stderr
    assert "the-key-of-the-api" not in through.stdout + through.stderr
    names = sorted(map(str, (pictures / "test").glob("*/*")))
    for rows in (lines(through), lines(direct)):
        assert [row["picture"] for row in rows] == names
    for one, other in zip(lines(through), lines(direct), strict=True):
        assert one["model"] == other["model"]
        # The server forms its batches by chance, and sums of floats depend on their shape.
        assert shares(one) == pytest.approx(shares(other), abs=0.02)


def shares(row: dict[str, Any]) -> dict[str, float]:
    return {each["label"]: each["probability"] for each in row["predictions"]}


def test_what_cannot_be_classified_is_told_and_the_rest_is_done(
    addresses: chain.Addresses, predict: Predict, pictures: Path, tmp_path: Path
) -> None:
    good = min((pictures / "test").glob("*/*.jpg"))
    shutil.copy(good, tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(good.read_bytes()[:900])
    url = f"{addresses.api}/v1/predict"
    run = predict("b.jpg", "a.jpg", "--csv", "--top", "1", "--api", url)
    assert run.returncode == 3
    assert "1 of 2 pictures could not be classified" in run.stderr
    damaged, whole = csv.DictReader(io.StringIO(run.stdout))
    assert (damaged["picture"], damaged["error"]) == (
        "b.jpg",
        "the picture is damaged or cut short",
    )
    assert (whole["picture"], whole["rank"], whole["error"]) == ("a.jpg", "1", "")
    table = predict("b.jpg", "a.jpg", "--api", url)
    assert table.returncode == 3
    assert whole["label"] in table.stdout
    assert "damaged or cut short" in table.stdout


# An API that answers as it is told ---------------------------------------------------------------


@dataclass
class Stub:
    """Answers with the given statuses in turn, then with 200; counts what is open at once."""

    statuses: list[int] = field(default_factory=list)
    after: str = "1"
    together: threading.Barrier | None = None  # a request is answered once so many are open
    asked: list[float] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    most: int = 0
    open: int = 0
    url: str = ""


@pytest.fixture
def stub() -> Iterator[Stub]:
    state, lock = Stub(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                state.open += 1
                state.most = max(state.most, state.open)
                state.asked.append(time.monotonic())
                state.keys.append(self.headers["x-api-key"])
                state.bodies.append(body)
                status = state.statuses.pop(0) if state.statuses else 200
            if state.together:
                state.together.wait(60)
                time.sleep(0.02)  # in which more would come, were there more
            with lock:
                state.open -= 1
            content = json.dumps(ANSWER if status == 200 else {"message": "so it is"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if status in (429, 503):
                self.send_header("Retry-After", state.after)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1/predict"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def some(folder: Path, count: int) -> list[str]:
    for number in range(count):
        (folder / f"{number:02}.jpg").write_bytes(PICTURE)
    return [f"{number:02}.jpg" for number in range(count)]


def test_a_busy_api_is_asked_again_when_it_says(
    stub: Stub, predict: Predict, tmp_path: Path
) -> None:
    stub.statuses = [429, 503]
    run = predict(*some(tmp_path, 1), "--api", stub.url, "--json")
    assert run.returncode == 0, run.stderr
    waits = [later - sooner for sooner, later in zip(stub.asked, stub.asked[1:], strict=False)]
    assert len(waits) == 2
    assert all(0.9 < wait < 20 for wait in waits), waits


def test_an_api_that_stays_busy_fails_the_picture(
    stub: Stub, predict: Predict, tmp_path: Path
) -> None:
    stub.statuses, stub.after = [429] * 100, "0"
    run = predict(*some(tmp_path, 1), "--api", stub.url, "--json")
    assert run.returncode == 3
    assert len(stub.asked) == 6
    assert lines(run)[0]["status"] == 429
    assert "lower --concurrency" in lines(run)[0]["error"]


def test_no_more_is_asked_at_once_than_allowed(
    stub: Stub, predict: Predict, tmp_path: Path
) -> None:
    stub.together = threading.Barrier(4)
    run = predict(*some(tmp_path, 20), "--api", stub.url, "--concurrency", "4", "--json")
    assert run.returncode == 0, run.stderr
    assert stub.most == 4
    assert [row["picture"] for row in lines(run)] == [f"{number:02}.jpg" for number in range(20)]


def test_a_key_that_is_refused_ends_it_and_is_not_shown(
    stub: Stub, predict: Predict, tmp_path: Path
) -> None:
    stub.statuses = [403] * 100
    service = {"predict_url": stub.url, "api_key": "a-secret-value"}
    run = predict(*some(tmp_path, 5), "--concurrency", "1", service=service)
    assert run.returncode == 1
    assert stub.keys[0] == "a-secret-value"
    assert "does not let us in (403: so it is)" in run.stderr
    assert "a-secret-value" not in run.stdout + run.stderr
    assert len(stub.asked) < 5


def test_a_url_is_left_to_the_api(stub: Stub, predict: Predict) -> None:
    run = predict("https://pictures.example/dog.jpg", "--api", stub.url, "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(stub.bodies[0]) == {"url": "https://pictures.example/dog.jpg"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "Missing argument"),
        (["nothing.jpg"], 1, "there is no nothing.jpg"),
        (["."], 1, ". holds no picture"),
        (["https://a.example/b.jpg", "--endpoint"], 2, "--endpoint takes files only"),
        (["https://a.example/b.jpg", "--json", "--csv"], 2, "choose one"),
        (["https://a.example/b.jpg", "--api", "http://127.0.0.1:9/"], 1, "cannot be reached"),
        (["https://a.example/b.jpg"], 1, "service is not applied"),
    ],
)
def test_what_hinders_is_named(
    predict: Predict, arguments: list[str], code: int, said: str
) -> None:
    run = predict(*arguments)
    assert run.returncode == code
    assert said in run.stderr
    assert "Traceback" not in run.stderr
