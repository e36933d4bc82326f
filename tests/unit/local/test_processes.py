"""Children of the local chain: gone when their group ends, whatever they do about it."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from kennel.errors import UserError
from kennel.local import processes
from kennel.local.processes import Processes

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 1:
    child = subprocess.Popen([sys.executable, __file__, "child"], start_new_session=True)
    print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def modules(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    (tmp_path / "failing.py").write_text("print('what went wrong')\nraise SystemExit(3)\n")
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}


def test_a_child_that_ignores_sigterm_is_killed_with_its_own_children(
    modules: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.1)
    with Processes(tmp_path / "logs") as group:
        child = group.start("stubborn", "stubborn", environment=modules)
        while not (text := group.log("stubborn").read_text()).endswith("\n"):
            assert child.poll() is None, text
            time.sleep(0.02)
        grandchild = int(text)
        assert psutil.pid_exists(grandchild)
    assert child.returncode == -signal.SIGKILL
    assert not psutil.pid_exists(grandchild) or (
        psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE
    )


def test_a_failed_child_shows_the_end_of_its_log(modules: dict[str, str], tmp_path: Path) -> None:
    with Processes(tmp_path / "logs") as group:
        group.start("failing", "failing", environment=modules)
        with pytest.raises(UserError) as error:
            group.wait_for("failing")
    assert "failing ended with exit code 3" in str(error.value)
    assert "what went wrong" in str(error.value)


def test_children_get_nothing_of_the_users_aws_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    environment = processes.clean_environment(EXTRA="1")
    assert environment["PATH"] == os.environ["PATH"]
    assert not [name for name in environment if name.startswith("AWS")]
    assert environment["EXTRA"] == "1"


def test_listening_is_on_loopback_only() -> None:
    with processes.listen() as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert processes.address(listener).startswith("http://127.0.0.1:")
