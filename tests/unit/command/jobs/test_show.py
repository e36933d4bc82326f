"""`kennel jobs show`: JSON, whether it is asked for or not."""

import json

import pytest
from click.testing import CliRunner

from kennel import jobs
from kennel.runs.run import Status
from tests.unit.command.jobs.test_follow import Told


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_a_run_is_shown_as_json(monkeypatch: pytest.MonkeyPatch, option: list[str]) -> None:
    run = Told([(Status("Completed", seconds=9), [])])
    monkeypatch.setattr(jobs, "find", lambda *_: (run, None))
    shown = CliRunner().invoke(jobs.show, ["job", *option])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["seconds"] == 9
