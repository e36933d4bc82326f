"""Server processes, with users' handlers in them or with ours, and clients of theirs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_port, wait_for

HANDLERS = Path(__file__).parent / "handlers"


@dataclass
class Served:
    """A server with a handler, its log in a file; as a context it ends at the end."""

    root: Path
    handler: str = ""  # ours
    environment: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> "Served":
        self.port = port = free_port()
        settings = {"KENNEL_ML_ROOT": str(self.root), "SAGEMAKER_BIND_TO_PORT": str(port)}
        settings |= {"KENNEL_HANDLER": self.handler, "PYTHONPATH": str(HANDLERS)}
        self._log = self.root / f"{self.handler or 'classifier'}-{port}.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "server", "serve"],
                env=os.environ | settings | self.environment,
                stdout=log,
                stderr=log,
                text=True,
            )
        base = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=base, timeout=120, trust_env=False)
        wait_for(f"{base}/ping", self.process, seconds=120)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()

    def ask(
        self, content: bytes | str, kind: str = "application/json", **headers: str
    ) -> httpx.Response:
        headers = {"Content-Type": kind} | headers
        return self.client.post("/invocations", content=content, headers=headers)

    def lines(self) -> list[str]:
        """The whole lines of the log."""
        return [each for each in self._log.read_text().splitlines(keepends=True) if "\n" in each]

    def logged(self, text: str) -> str:
        """The log's line that holds a text; it may come after the answer."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for line in self.lines():
                if text in line:
                    return line
            time.sleep(0.01)
        raise AssertionError(f"{text!r} is not in\n{self._log.read_text()}")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder such as a user's handler reads."""
    root = tmp_path_factory.mktemp("handlers")
    (root / "model").mkdir()
    (root / "model/weights.json").write_text(json.dumps([[1.0, 0.0], [0.0, 2.0]]))
    return root


@pytest.fixture
def served(weights: Path) -> Iterator[Callable[..., Served]]:
    """A factory of servers for tests that end theirs."""
    started: list[Served] = []

    def start(handler: str, **environment: str) -> Served:
        started.append(Served(weights, handler, environment).__enter__())
        return started[-1]

    yield start
    for each in started:
        each.__exit__()


@pytest.fixture(scope="module")
def linear(weights: Path) -> Iterator[Served]:
    with Served(weights, "linear") as served:
        yield served


@pytest.fixture(scope="module")
def moody(weights: Path) -> Iterator[Served]:
    with Served(weights, "moody") as served:
        yield served
