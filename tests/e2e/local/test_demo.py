"""`make demo` as a stranger runs it: on a terminal and off it, interrupted, twice, port taken."""

import os
import pty
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, listening

QUICK = ("--classes", "2", "--pictures", "8", "--epochs", "1")
KENNEL = [sys.executable, "-m", "kennel"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder to run the demo in; whatever still runs there afterwards is an error."""
    yield tmp_path
    _, left = psutil.wait_procs(running_in(tmp_path), timeout=60)  # Python's own helpers end last
    assert [process.cmdline() for process in left] == []


def running_in(folder: Path) -> list[psutil.Process]:
    """Processes that know the folder: by where they run, their arguments or their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            known = f"{process.cwd()} {process.cmdline()} {process.environ()}"
        except psutil.Error:
            continue
        if process.pid != os.getpid() and str(folder) in known:
            found.append(process)
    return found


def wait_for(path: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while not (path.exists() and text in path.read_text(errors="replace")):
        assert process.poll() is None, path.read_text() if path.exists() else ""
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with (home / "out").open("wb") as out:
        return subprocess.Popen(
            [*KENNEL, "demo", *arguments],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


@pytest.mark.long
def test_the_demo_learns_and_says_how_to_call_it() -> None:
    """The README's command with its defaults; the tree is as clean afterwards as before."""
    before = status()
    run = subprocess.run(
        ["make", "demo"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for number, title in enumerate(("Draw", "Train", "Package", "Serve", "Classify"), start=1):
        assert f"{number}/5 {title}" in run.stdout
    right = re.search(r"(\d+) of (\d+) test pictures right", run.stdout)
    assert right is not None
    assert int(right[1]) / int(right[2]) >= 0.7  # chance is 1 in 6
    assert "█" in run.stdout
    assert "curl --data-binary @.kennel/demo/" in run.stdout
    assert status() == before


def status() -> str:
    command = ["git", "status", "--porcelain"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_on_a_terminal_it_stays_up_on_loopback_until_ctrl_c(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        terminal, theirs = pty.openpty()
        process = subprocess.Popen(
            [*KENNEL, "demo", *QUICK, "--port", port],
            cwd=home,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
        )
        os.close(theirs)
        screen, addresses = watch(terminal, process, until="Ctrl-C ends it.")
        assert f"port {port} is taken; using" in screen
        assert addresses
        assert addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}

        line = next(line for line in screen.splitlines() if "curl --data-binary" in line)
        answer = subprocess.run(
            [*shlex.split(line), "-s"], cwd=home, capture_output=True, text=True, check=True
        )
        assert '"predictions"' in answer.stdout

        os.killpg(process.pid, signal.SIGINT)
        screen, _ = watch(terminal, process, until="ended")
        assert process.wait(120) == 0
        os.close(terminal)


def watch(terminal: int, process: subprocess.Popen[bytes], *, until: str) -> tuple[str, set[str]]:
    """What the terminal shows up to some text, and where the processes listened meanwhile."""
    screen, addresses = b"", set[str]()
    deadline = time.monotonic() + 300
    while until.encode() not in screen:
        assert time.monotonic() < deadline, screen.decode()
        if process.poll() is None:
            addresses |= listening(process.pid)
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                screen += os.read(terminal, 65536)
            except OSError:  # the terminal's other side is closed
                break
    assert until.encode() in screen, screen.decode()
    return screen.decode(), addresses


@pytest.mark.parametrize(
    ("number", "moment"), [(signal.SIGINT, "2/5"), (signal.SIGTERM, "2/5"), (signal.SIGHUP, "1/5")]
)
def test_interrupted_it_leaves_no_process(home: Path, number: int, moment: str) -> None:
    process = start(home, *QUICK)
    wait_for(home / "out", moment, process)
    if moment == "2/5":
        wait_for(home / ".kennel/demo/logs/trainer.log", "", process)
        while len(psutil.Process(process.pid).children(recursive=True)) < 3:
            time.sleep(0.05)  # the agent and its two workers
    process.send_signal(number)
    assert process.wait(300) == 130
    assert "interrupted" in (home / "out").read_text()


def test_a_second_demo_in_the_same_folder_is_refused(home: Path) -> None:
    first = start(home, *QUICK)
    wait_for(home / "out", "1/5", first)
    second = subprocess.run(
        [*KENNEL, "demo"], cwd=home, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "a demo runs in this folder already" in second.stderr
    assert "Traceback" not in second.stderr
    first.send_signal(signal.SIGINT)
    assert first.wait(120) == 130


def test_a_failing_part_ends_the_demo_with_the_end_of_its_log(home: Path) -> None:
    process = start(home, *QUICK, "--epochs", "0")
    assert process.wait(300) == 1
    output = (home / "out").read_text()
    assert "trainer ended with exit code 1" in output
    assert "hyperparameter epochs is 0: it can be 1 to 10000" in output
    assert "Traceback" not in output
