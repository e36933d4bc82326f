"""Ctrl-C in the middle of Terraform: it ends in good order, and is told so once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

# As Terraform does: the first interrupt lets it finish and save its state, another one does not.
TERRAFORM = """#!/usr/bin/env python3
import signal, sys, time
told = []
signal.signal(signal.SIGINT, lambda *_: told.append(1))
open("began", "w").close()
while not told:
    time.sleep(0.01)
time.sleep(0.3)
open("state", "w").write(f"told {len(told)} times")
sys.exit(1)
"""
BY_KENNEL = """
import sys
from kennel import children
from kennel.terminal import ended_by_signals
with ended_by_signals():
    children.run(sys.argv[1:])
"""
BY_MAKE = f"""
import sys
sys.path.insert(0, {str(ROOT / "terraform")!r})
import stack
root = stack.Stack("service", "dev", "./terraform")
root.folder = "."
try:
    root.call("apply")
except stack.subprocess.CalledProcessError as error:
    sys.exit(error.returncode)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {"terraform": TERRAFORM, "a-kennel.py": BY_KENNEL, "a-make.py": BY_MAKE}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "terraform").chmod(0o755)
    return tmp_path


def interrupted(folder: Path, *command: str, number: signal.Signals) -> int:
    """Its exit code after a signal to all, as a terminal sends it."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, start_new_session=True, stderr=subprocess.DEVNULL
    )
    while not (folder / "began").exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, number)
    return process.wait(120)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("program", [["./terraform"], [sys.executable, "a-make.py"]])
def test_a_verb_waits_for_terraforms_end(
    folder: Path, number: signal.Signals, program: list[str]
) -> None:
    code = interrupted(folder, "a-kennel.py", *program, number=number)
    assert (folder / "state").read_text() == "told 1 times"
    assert code != 0


def test_make_apply_waits_for_terraforms_end(folder: Path) -> None:
    assert interrupted(folder, "a-make.py", number=signal.SIGINT) == 1
    assert (folder / "state").read_text() == "told 1 times"
