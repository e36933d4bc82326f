"""`kennel jobs show`, `list` and `stop`: what is told of runs, and which are ended."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from kennel import jobs
from kennel.outputs import Outputs
from kennel.runs import fleet, here, training
from kennel.runs.run import Status
from tests.unit.command.jobs.test_follow import Told


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_a_run_is_shown_as_json(monkeypatch: pytest.MonkeyPatch, option: list[str]) -> None:
    run = Told([(Status("Completed", seconds=9), [])])
    monkeypatch.setattr(jobs, "find", lambda *_: (run, None))
    shown = CliRunner().invoke(jobs.show, ["job", *option])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["seconds"] == 9


def test_all_places_are_listed_together_the_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(name: str, began: str) -> Told:
        return Told([(Status("Completed", began=began), [])], name=name)

    ours = {"TrainingJobName": "second", "TrainingJobStatus": "Completed"}
    ours_began = {"CreationTime": datetime(2026, 11, 21, 10, tzinfo=UTC)}
    monkeypatch.setattr("kennel.outputs.read", lambda *_: Outputs("platform", {}))
    monkeypatch.setattr(training, "recent", lambda *_: [ours | ours_began])
    monkeypatch.setattr(fleet, "recent", lambda *_: [run("third", "2026-11-21T09:59:59Z")])
    newest, oldest = run("first", "2026-11-21T10:00:01Z"), run("fourth", "2026-11-20T23:00:00Z")
    monkeypatch.setattr(here, "recent", lambda *_: [newest, oldest])
    listed = CliRunner().invoke(jobs.list_, ["--json"])
    names = [each["name"] for each in json.loads(listed.stdout)["jobs"]]
    assert names == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        (Status("InProgress"), 1),
        (Status("Failed", reason=fleet.INTERRUPTED), 1),  # for nodes that were not taken back
        (Status("Failed", reason="class 007.pug is empty"), 0),
        (Status("Completed"), 0),
    ],
)
def test_what_may_still_be_paid_for_is_stopped(
    monkeypatch: pytest.MonkeyPatch, status: Status, ends: int
) -> None:
    run, stopped = Told([(status, [])]), list[str]()
    monkeypatch.setattr(run, "stop", lambda: stopped.append(run.name))
    monkeypatch.setattr(jobs, "find", lambda *_: (run, None))
    asked = CliRunner().invoke(jobs.stop, ["r-1", "--json"])
    assert json.loads(asked.stdout)["stopping"] == bool(ends)
    assert len(stopped) == ends
