"""What a log gets while something long goes on."""

import itertools
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from kennel import progress
from kennel.check import check
from kennel.progress import step


def test_a_long_step_says_that_it_goes_on_and_how_long_it_took(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = itertools.chain([0.0], itertools.repeat(40.0))  # as it begins, and from then on
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    said = ""
    with step("pushing [dogs]", every=0.01):
        deadline = time.monotonic() + 60
        while "still" not in said and time.monotonic() < deadline:
            time.sleep(0.005)
            said += capsys.readouterr().err
    first, *between, last = (said + capsys.readouterr().err).splitlines()
    assert first == "pushing [dogs] ..."
    assert between
    assert set(between) == {"pushing [dogs]: still at it after 40 s"}
    assert last == "pushing [dogs]: took 40 s"


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
