"""`kennel tune`: a tuning job of the emulated SageMaker, and the same search on this machine.

A small program takes the trainer's place (stand_in.py): it is the better, the nearer its rate is
to 0.1.
"""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from kennel.outputs import Outputs
from kennel.runs import training
from kennel.search import ranges, tuning
from tests.contract.command.jobs.conftest import PREFIX, Account

GRID = "strategy: grid\nranges:\n  rate: [0.5, 0.12, 0.9]\nfixed: {epochs: 2}\nparallel: 2\n"


@pytest.fixture
def stand_in(stand_in: Path) -> Path:
    """With a grid of three rates, of which the last fails."""
    (stand_in / "ranges.yaml").write_text(GRID)
    return stand_in


def check(outcome: dict[str, Any], home: Path) -> None:
    assert outcome["best"]["values"]["rate"] == "0.12"
    assert outcome["best"]["objective"] == pytest.approx(0.98)
    [failed] = [each for each in outcome["trials"] if each["state"] == "Failed"]
    assert "the loss is not a number" in failed["reason"]
    states = {each["values"]["rate"]: each["state"] for each in outcome["trials"]}
    assert states == {"0.12": "Completed", "0.5": "Completed", "0.9": "Failed"}
    page = (home / outcome["picture"]).read_text()
    assert page.count("<path") >= 2


def test_a_tuning_job_ends_with_a_table_a_picture_and_a_release(
    account: Account, dogs: str, stand_in: Path
) -> None:
    platform = Outputs("platform", account.outputs["platform"])
    defaults = platform["training_job"]
    name = tuning.new_name(defaults)
    order = training.Order("train", f"s3://{PREFIX}-data/{dogs}/", {})
    plan = ranges.read(stand_in / "ranges.yaml")
    request = tuning.request(name, plan, order, defaults)
    request["TrainingJobDefinition"]["Environment"] |= {"PYTHONPATH": str(stand_in)}
    account.aws.client("sagemaker").create_hyper_parameter_tuning_job(**request)
    done = account.kennel("tune", "--attach", name, "--json")
    outcome = json.loads(done.stdout)
    check(outcome, account.home)
    assert "best 0.98" in done.stderr
    assert "by list prices of" in done.stderr
    release = account.json("models", "show", str(outcome["release"]))
    assert release["facts"]["job"] == outcome["best"]["name"]
    assert release["state"] == "pending"


def test_the_same_search_here(account: Account, stand_in: Path) -> None:
    (stand_in / "pictures").mkdir()
    here = Account(account.aws, stand_in, environment=account.environment)
    done = here.kennel("tune", "ranges.yaml", "pictures", "--where", "local", "--json")
    outcome = json.loads(done.stdout)
    check(outcome, stand_in)
    best = outcome["best"]["name"]
    assert f"kennel models add {best}" in done.stderr
    assert account.json("models", "add", best, "--dry-run")["job"] == best
    assert here.json("models", "add", best)["facts"]["job"] == best
    listed = here.json("jobs", "list", "--local")["jobs"]
    assert sorted(each["state"] for each in listed) == ["Completed", "Completed", "Failed"]


@pytest.mark.parametrize("parallel", [1, 2])
def test_an_interrupted_search_goes_on_where_it_stopped(
    account: Account, stand_in: Path, parallel: int
) -> None:
    """With what had ended; what was under way goes on in its folder, from its checkpoint."""
    (stand_in / "pictures").mkdir()
    (stand_in / "hold").touch()
    (stand_in / "ranges.yaml").write_text(GRID.replace("parallel: 2", f"parallel: {parallel}"))
    here = Account(account.aws, stand_in, environment=account.environment)
    asked = ("tune", "ranges.yaml", "pictures", "--where", "local", "--json")
    began = parallel + 1  # of three trials; the second one holds
    process, starts = here.start(*asked), stand_in / "starts"
    while not (starts.exists() and len(starts.read_text().splitlines()) == began):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    [file] = wait_for_ended(stand_in, parallel)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130, said
    assert f"{parallel} trials are kept" in said

    (stand_in / "hold").unlink()
    assert f"{parallel} trials have ended" in here.kennel(*asked[:-1], "--dry-run").stdout
    outcome = json.loads(here.kennel(*asked).stdout)
    check(outcome, stand_in)
    assert len(outcome["trials"]) == 3
    assert outcome["name"] == file.parent.name
    rates = [line.split()[1] for line in starts.read_text().splitlines()]
    assert sorted(rates) == ["0.12", "0.12", "0.5", "0.9"]
    assert len({line.split()[0] for line in starts.read_text().splitlines()}) == 3
    assert not file.exists(), "asked for again, it is a new search"


def wait_for_ended(home: Path, count: int) -> list[Path]:
    """The file of the search, when it tells of so many trials that have ended."""
    deadline = time.monotonic() + 120
    while True:
        found = list(home.glob(".kennel/jobs/*/search.json"))
        if found and len(json.loads(found[0].read_text())["ended"]) == count:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_search_without_a_result_says_what_the_containers_said(
    account: Account, stand_in: Path
) -> None:
    (stand_in / "pictures").mkdir()
    (stand_in / "ranges.yaml").write_text("strategy: grid\nranges: {rate: [0.9]}\n")
    here = Account(account.aws, stand_in, environment=account.environment)
    failed = here.kennel("tune", "ranges.yaml", "pictures", "--where", "local", code=3)
    assert "has no result: the loss is not a number; see" in failed.stderr


def test_a_dry_run_asks_for_nothing(account: Account, dogs: str, stand_in: Path) -> None:
    file = str(stand_in / "ranges.yaml")
    said = account.kennel("tune", file, dogs, "--dry-run").stdout
    assert json.loads(said)["HyperParameterTuningJobConfig"]["Strategy"] == "Grid"
    refused = account.kennel("tune", "--attach", f"{PREFIX}-none", code=1)
    assert f"there is no tuning job {PREFIX}-none" in refused.stderr
    assert "name the FILE" in account.kennel("tune", code=2).stderr
