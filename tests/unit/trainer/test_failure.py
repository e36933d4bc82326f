"""What a run leaves when it fails: the first reason in the file, every one in the log."""

import signal
import sys
from pathlib import Path

import pytest

from trainer import __main__, failure, paths, worker
from trainer.errors import TrainingError


def test_the_first_reason_stands_and_each_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "FAILURE", tmp_path / "output/failure")
    assert failure.record("the first") == 1
    assert failure.record("the second") == 1
    assert (tmp_path / "output/failure").read_text() == "the first"
    assert capsys.readouterr().err == "error: the first\nerror: the second\n"


def test_the_first_attempt_under_torchrun_forgets_the_reason_of_a_run_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "FAILURE", tmp_path / "output/failure")
    failure.record("of yesterday")
    assert failure.worker(lambda: None) == 0
    assert not paths.FAILURE.exists()

    def fail() -> None:
        raise TrainingError("of today")

    failure.record("of yesterday")
    assert failure.worker(fail) == 1
    assert paths.FAILURE.read_text() == "of today"
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert failure.worker(lambda: None) == 1  # it would only fail again
    assert paths.FAILURE.read_text() == "of today"


def test_train_under_torchrun_is_one_of_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a launcher of more of them, each with a world of its own."""
    done: list[str] = []
    monkeypatch.setattr(paths, "FAILURE", tmp_path / "output/failure")
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(__main__, "train", lambda: done.append("launcher"))
    monkeypatch.setattr(worker, "run", lambda: done.append("worker"))
    monkeypatch.setattr(sys, "argv", ["trainer", "train"])
    assert __main__.main() == 0
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "r-1")
    assert __main__.main() == 0
    assert done == ["launcher", "worker"]


def test_a_reason_for_which_there_is_no_room_is_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output").write_text("a file where the folder would be")
    monkeypatch.setattr(paths, "FAILURE", tmp_path / "output/failure")
    assert failure.record("the reason") == 1
    assert capsys.readouterr().err == "error: the reason\n"
