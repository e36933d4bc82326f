"""`kennel train`, `kennel jobs` and `kennel models` against jobs that really run."""

import json
import signal
import textwrap
import uuid
from pathlib import Path
from typing import Any

import pytest

from kennel.outputs import Outputs
from kennel.runs import training
from tests.contract.command.jobs.conftest import PREFIX, Account

SETTINGS = {
    "name": "small",
    "architecture": "shufflenet_v2_x0_5",
    "size": "32",
    "resize": "36",
    "epochs": "2",
    "batch": "12",
    "processes": "1",
    "quantise": "false",
}
GIVEN = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
HEAD = """
import json, os, signal, sys, time
from pathlib import Path
ml = Path(os.environ["KENNEL_ML_ROOT"])
"""


def stand_in(account: Account, tmp_path: Path, text: str, **more: Any) -> str:
    """A job as `kennel train` asks for it, but with a small program in the trainer's place."""
    folder = tmp_path / uuid.uuid4().hex
    (folder / "trainer").mkdir(parents=True)
    (folder / "trainer/__init__.py").touch()
    (folder / "trainer/__main__.py").write_text(HEAD + textwrap.dedent(text))
    platform = Outputs("platform", account.outputs["platform"])
    defaults = platform["training_job"]
    order = training.Order(
        image="train", data=f"s3://{PREFIX}-data/dogs/", settings={"epochs": "3"}, **more
    )
    name = training.new_name(defaults, "stand-in")
    request = training.request(name, order, defaults)
    request["Environment"] |= {"PYTHONPATH": str(folder)}
    account.aws.client("sagemaker").create_training_job(**request)
    return name


@pytest.fixture(scope="module")
def trained(account: Account, dogs: str) -> dict[str, Any]:
    """What `kennel train` says of a real training, from the command line to the release."""
    done = account.kennel("train", dogs, *GIVEN, "--json", seconds=240)
    return json.loads(done.stdout) | {"said": done.stderr}


def test_training_ends_with_report_release_and_cost(
    account: Account, trained: dict[str, Any]
) -> None:
    assert trained["state"] == "Completed"
    assert "epoch   2/2" in trained["said"]
    assert "% valid" in trained["said"]
    assert "of 1 x ml.m5.xlarge: about $0.0" in trained["said"]
    assert Path(account.home, trained["report"]).read_text().startswith("<!doctype html>")
    assert trained["model_data"].startswith(f"s3://{PREFIX}-models/jobs/{trained['name']}/")
    [release] = account.json("models", "list")["releases"]
    assert release["release"] == trained["release"] == 1
    assert release["state"] == "pending"
    assert release["facts"]["version"] == trained["version"]
    assert release["facts"]["job"] == trained["name"]
    accuracy = trained["metrics"]["fp32"]["test_accuracy"]
    assert float(release["facts"]["fp32.test_accuracy"]) == accuracy


def test_a_release_is_looked_at_judged_and_made_once(
    account: Account, trained: dict[str, Any]
) -> None:
    shown = account.json("models", "show", "latest")
    assert shown["manifest"]["version"] == trained["version"]
    assert shown["image"].startswith(
        account.outputs["platform"]["repository_urls"]["serve"] + "@sha256:"
    )
    refused = account.kennel("deploy", "1", code=1)
    assert "release 1 is pending" in refused.stderr
    assert "kennel models approve 1" in refused.stderr
    tried = account.json("models", "approve", "1", "--dry-run")
    assert (tried["dry_run"], tried["state"]) == (True, "pending")
    assert "approved" in account.kennel("models", "approve", "1", "--reason", "seen").stdout
    assert account.json("models", "show", "approved")["state"] == "approved"
    again = account.json("jobs", "attach", trained["name"])
    assert again["release"] == 1
    other = account.json("models", "add", trained["name"], "--image", "elsewhere@sha256:2c26")
    assert other["release"] == 2
    differences = account.json("models", "compare", "1", "2")["differences"]
    assert [row["name"] for row in differences] == ["image"]
    assert "rejected" in account.kennel("models", "reject", "2").stdout
    assert "no release 7" in account.kennel("models", "show", "7", code=1).stderr


def test_a_wrong_setting_is_refused_before_anything_is_asked_for(
    account: Account, dogs: str
) -> None:
    refused = account.kennel("train", dogs, "--set", "epoch=3", code=1)
    assert "did you mean epochs?" in refused.stderr
    refused = account.kennel("train", dogs, "--set", "epochs", code=1)
    assert "--set epochs=20" in refused.stderr


def test_data_that_is_not_there_is_named_before_a_machine_is_paid(account: Account) -> None:
    refused = account.kennel("train", "cats", code=1)
    assert f"there is nothing at s3://{PREFIX}-data/cats/" in refused.stderr


def test_a_dry_run_prints_the_request_and_starts_nothing(account: Account, dogs: str) -> None:
    before = account.json("jobs", "list")
    request = json.loads(
        account.kennel(
            "train", dogs, "--spot", "--nodes", "2", "--instance-type", "ml.g5.xlarge",
            "--hours", "2", "--dry-run",
        ).stdout
    )  # fmt: skip
    resources = request["ResourceConfig"]
    assert resources["InstanceCount"] == 2
    assert "VolumeKmsKeyId" not in resources, "ml.g5 has disks of its own: SageMaker takes no key"
    assert request["EnableManagedSpotTraining"]
    assert request["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 7200,
        "MaxWaitTimeInSeconds": 14400,
    }
    assert request["EnableNetworkIsolation"]
    assert request["CheckpointConfig"]["S3Uri"].endswith(request["TrainingJobName"])
    assert account.json("jobs", "list") == before


def test_the_containers_failure_line_is_the_error(
    account: Account, dogs: str, tmp_path: Path
) -> None:
    assert dogs
    text = """
    print("looking", flush=True)
    (ml / "output").mkdir(exist_ok=True)
    (ml / "output/failure").write_text("class 007.pug is empty: add pictures")
    sys.exit(1)
    """
    name = stand_in(account, tmp_path, text)
    failed = account.kennel("jobs", "attach", name, code=3)
    assert "class 007.pug is empty: add pictures" in failed.stderr
    assert "looking" in failed.stderr
    assert "algo-1" in account.kennel("jobs", "logs", name).stdout
    state = json.loads(account.kennel("jobs", "show", name).stdout)
    assert state["state"] == "Failed"
    row = next(each for each in account.json("jobs", "list")["jobs"] if each["name"] == name)
    assert row["state"] == "Failed"


SLOW_EPOCHS = """
(ml / "model").mkdir(exist_ok=True)
(ml / "model/manifest.json").write_text("{}")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
for epoch in range(1, 400):
    print(f"event=epoch epoch={epoch} epochs=400 train_loss=1.0 valid_accuracy=0.5 "
          "images_per_second=7", flush=True)
    time.sleep(0.5)
"""


def test_a_watcher_comes_and_goes_and_the_job_stays_until_it_is_stopped(
    account: Account, dogs: str, tmp_path: Path
) -> None:
    assert dogs
    name = stand_in(account, tmp_path, SLOW_EPOCHS)
    watcher = account.start("jobs", "attach", name)
    assert watcher.stderr is not None
    for line in watcher.stderr:
        if "epoch   3/400" in line:
            break
    watcher.send_signal(signal.SIGINT)
    _, said = watcher.communicate(timeout=120)
    assert watcher.returncode == 130
    assert f"kennel jobs attach {name}" in said
    assert json.loads(account.kennel("jobs", "show", name).stdout)["state"] == "InProgress"

    second = account.start("jobs", "attach", name)
    assert second.stderr
    first_lines = [next(second.stderr) for _ in range(6)]
    assert any("epoch   1/400" in line for line in first_lines), "the log comes from its start"
    assert account.json("jobs", "stop", name, "--dry-run")["stopping"]
    assert "stopping" in account.kennel("jobs", "stop", name).stdout
    _, said = second.communicate(timeout=120)
    assert second.returncode == 3
    assert "was stopped" in said
    assert f"--resume {name}" in said
    assert "has ended: Stopped" in account.kennel("jobs", "stop", name).stdout


def test_a_resumed_job_has_the_settings_and_the_checkpoints_of_the_first(
    account: Account, dogs: str, tmp_path: Path
) -> None:
    assert dogs
    name = stand_in(account, tmp_path, "sys.exit(1)")
    request = json.loads(
        account.kennel("train", "--resume", name, "--set", "keep=3", "--dry-run").stdout
    )
    assert request["HyperParameters"] == {"epochs": "3", "keep": "3"}
    assert request["CheckpointConfig"]["S3Uri"].endswith(f"/checkpoints/{name}")
    assert request["TrainingJobName"] != name
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    assert source["S3Uri"] == f"s3://{PREFIX}-data/dogs/"


def test_a_network_that_is_lost_for_a_while_is_outlived(
    account: Account, dogs: str, tmp_path: Path
) -> None:
    """A relay between us and AWS that refuses until we have noticed."""
    from tests.contract.command.jobs.relay import relay

    assert dogs
    name = stand_in(account, tmp_path, SLOW_EPOCHS.replace("400", "12"))
    with relay(account.aws.address) as between:
        watcher = account.start("jobs", "attach", name, AWS_ENDPOINT_URL=between.address)
        assert watcher.stderr
        for line in watcher.stderr:
            if "epoch   2/12" in line:
                break
        between.refuse()
        for line in watcher.stderr:
            if "network lost" in line:
                break
        else:
            pytest.fail("the watcher has ended")
        between.refuses = False
        _, rest = watcher.communicate(timeout=300)
    assert "epoch  11/12" in rest


def test_what_is_not_there_is_named(account: Account) -> None:
    refused = account.kennel("jobs", "attach", f"{PREFIX}-nothing", code=1)
    assert f"there is no training job {PREFIX}-nothing" in refused.stderr
    refused = account.kennel("train", "dogs", "--where", "ec2", code=1)
    assert "the platform has no fleet" in refused.stderr
    account.kennel("models", "--help")
