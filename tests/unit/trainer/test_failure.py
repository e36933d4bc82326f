"""What a run leaves when it fails: the first reason in the file, every one in the log."""

from pathlib import Path

import pytest

from trainer import failure, paths


def test_the_first_reason_stands_and_each_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "FAILURE", tmp_path / "output/failure")
    assert failure.record("the first") == 1
    assert failure.record("the second") == 1
    assert (tmp_path / "output/failure").read_text() == "the first"
    assert capsys.readouterr().err == "error: the first\nerror: the second\n"


def test_a_success_leaves_no_reason_of_a_run_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain torchrun does not remove it, and its first attempt does not ask."""
    monkeypatch.setattr(paths, "FAILURE", tmp_path / "output/failure")
    failure.record("of yesterday")
    assert failure.worker(lambda: None) == 0
    assert not paths.FAILURE.exists()
