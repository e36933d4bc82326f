"""What a log gets while something long goes on."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from kennel import progress
from kennel.check import check
from kennel.progress import step


def test_a_long_step_says_that_it_goes_on_and_how_long_it_took(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with step("pushing [dogs]", every=0.02):
        time.sleep(0.2)
    first, *between, last = capsys.readouterr().err.splitlines()
    assert first == "pushing [dogs] ..."
    assert between
    assert set(between) == {"pushing [dogs]: still at it after 0 s"}
    assert last == "pushing [dogs]: took 0 s"


def test_a_step_that_fails_says_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="so it is"), step("pushing"):
        raise ValueError("so it is")
    assert capsys.readouterr().err == "pushing ...\n"


def test_looking_through_a_set_says_how_far_it_is(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    done = CliRunner().invoke(check, [str(pictures)])
    assert "looking: 1 of " in done.stderr
    assert "s left" in done.stderr
    assert "looking" not in done.stdout
