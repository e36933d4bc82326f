"""`kennel train --where local`: no AWS; a small program takes the trainer's place."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.contract.command.jobs.conftest import Account

HERE = ("train", "pictures", "--where", "local")


@pytest.fixture
def here(stand_in: Path) -> Account:
    """A folder with pictures in it, on a machine without credentials."""
    (stand_in / "pictures").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    kept |= {"COLUMNS": "200", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    return Account(None, stand_in, environment=kept)  # type: ignore[arg-type]


def test_a_run_on_this_machine_ends_with_its_metrics_and_its_model(here: Account) -> None:
    done = here.kennel(*HERE, "--set", "rate=0.12", "--json")
    outcome = json.loads(done.stdout)
    assert outcome["state"] == "Completed"
    assert outcome["metrics"] == {"fp32": {"test_accuracy": 0.98}}
    assert outcome["dollars"] is None, "nobody bills it"
    assert (here.home / outcome["model_data"]).exists()
    assert "epoch   2/2" in done.stderr
    assert "on this machine" in done.stderr
    assert "98.0% of the test pictures right" in done.stderr
    [listed] = here.json("jobs", "list", "--local")["jobs"]
    assert (listed["name"], listed["state"]) == (outcome["name"], "Completed")


def test_one_that_fails_says_why_and_how_to_go_on(here: Account) -> None:
    failed = here.kennel(*HERE, "--set", "rate=0.9", code=3)
    assert "failed: the loss is not a number" in failed.stderr
    assert "`kennel train --where local --resume local-classifier-" in failed.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_is_interrupted_goes_on_with_its_settings(
    here: Account, number: signal.Signals
) -> None:
    (here.home / "hold").touch()
    process, starts = here.start(*HERE, "--set", "rate=0.12"), here.home / "starts"
    deadline = time.monotonic() + 120
    while not starts.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    [line] = [each for each in said.splitlines() if each.startswith("go on: ")]
    (here.home / "hold").unlink()
    command = line.removeprefix("go on: kennel ").split()
    outcome = here.json(*command)
    assert outcome["name"] == command[-1]
    assert outcome["state"] == "Completed"
    assert [each.split()[1] for each in starts.read_text().splitlines()] == ["0.12", "0.12"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "nowhere", "--where", "local"), "nowhere is no folder of pictures"),
        ((*HERE, "--nodes", "2", "--on-demand"), "it has no use for --nodes, --on-demand"),
        (("tune", "ranges.yaml", *HERE[1:], "--hours", "1"), "it has no use for --hours"),
        (("train", "--where", "local", "--resume", "local-none"), "there is no run local-none"),
        ((*HERE, "--set", "rate"), "write it as name=value"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    here: Account, arguments: tuple[str, ...], said: str
) -> None:
    (here.home / "ranges.yaml").write_text("ranges: {rate: [0.1, 0.2]}\n")
    assert said in here.kennel(*arguments, code=1).stderr
    assert not (here.home / ".kennel").exists()
