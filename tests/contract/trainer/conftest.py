"""A run that can be started, watched, interrupted and killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

PATIENCE = 240  # seconds, for a machine that is busy with all the other tests
MAIN = "import sys; from trainer.__main__ import main; sys.exit(main())"


class Run:
    """A real `python -m trainer train` with its log in a file, and before it a change to it."""

    def __init__(self, root: Path, change: str = "pass", **environment: str) -> None:
        self.root, self.log = root, root / f"log-{time.monotonic_ns()}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"{change}\n{MAIN}", "train"],
                env={**os.environ, "KENNEL_ML_ROOT": str(root)} | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.log.read_text()

    def until(self, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.text().count(text) < times:
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.01)

    def end(self) -> int:
        return self.process.wait(PATIENCE)

    def workers(self) -> list[psutil.Process]:
        """Forks of the launcher, in the order of their ranks."""
        return psutil.Process(self.process.pid).children()

    def kill(self) -> None:
        """The whole machine at once, as when its power goes."""
        found = [psutil.Process(self.process.pid)] if self.process.poll() is None else []
        for each in [*found, *(found[0].children(recursive=True) if found else [])]:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
        self.process.wait()


Start = Callable[..., Run]


@pytest.fixture
def start() -> Iterator[Start]:
    """A factory of runs; they are gone after the test."""
    runs: list[Run] = []

    def one(root: Path, change: str = "pass", **environment: str) -> Run:
        runs.append(Run(root, change, **environment))
        return runs[-1]

    yield one
    for run in runs:
        run.kill()
