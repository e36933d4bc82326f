"""What a run leaves when it fails: the first reason in the file, every one in the log."""

from pathlib import Path

import pytest

from trainer import failure, paths
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
