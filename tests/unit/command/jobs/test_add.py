"""`kennel models add` of a fleet's run, as `kennel train` tells who has no serving image yet."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kennel import models
from kennel.errors import UserError
from kennel.outputs import Outputs
from kennel.registry import Release
from kennel.runs import fleet
from kennel.runs.run import Result, Status
from tests.unit.command.jobs.test_follow import Told


class Registry:
    """One that takes all."""

    def __init__(self, _: Outputs) -> None: ...

    def add(self, result: Result, image: str, job: str) -> Release:
        assert (result.folder, image) == (Path(".kennel/jobs/r-1"), "serve@sha256:1")
        return Release(1, "arn", "pending", "now", image, result.model_data, {"job": job})


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of a run in that state; what click has to say of it."""

    def invoke(status: Status) -> Any:
        run = Told([(status, [])], name="r-1", where="ec2")
        monkeypatch.setattr(fleet, "FleetRun", lambda *_: run)
        return CliRunner().invoke(models.add, ["r-1", "--image", "serve@sha256:1"])

    monkeypatch.setattr("kennel.outputs.read", lambda *_: Outputs("platform", {}))
    monkeypatch.setattr(models, "Registry", Registry)
    return invoke


def test_a_fleets_result_becomes_a_release(add: Any) -> None:
    assert add(Status("Completed")).stdout == "release 1, pending\n"


@pytest.mark.parametrize(
    ("state", "way"),
    [
        ("InProgress", "r-1 has not ended: `kennel jobs attach r-1`"),
        ("Failed", "r-1 is not completed, but Failed: `kennel train --where ec2 --resume r-1`"),
    ],
)
def test_what_is_not_completed_has_none(add: Any, state: str, way: str) -> None:
    refused = add(Status(state)).exception
    assert isinstance(refused, UserError)
    assert way in str(refused)
