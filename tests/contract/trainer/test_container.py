"""SageMaker's contract with the training container, with real processes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.conftest import listening, run_trainer

MlRoot = Callable[..., Path]


def test_two_processes_train_one_model(trained: Path) -> None:
    lines = (trained / "output/data/metrics.jsonl").read_text().splitlines()
    epochs = [event for event in map(json.loads, lines) if event["event"] == "epoch"]
    assert [event["epoch"] for event in epochs] == [1, 2]
    assert all(0 < event["train_loss"] < 5 for event in epochs)
    manifest = json.loads((trained / "model/manifest.json").read_text())
    assert 0 <= manifest["metrics"]["fp32"]["test_accuracy"] <= 1


def test_the_log_has_lines_that_a_metric_definition_matches(trained: Path) -> None:
    log = (trained / "train.log").read_text()
    assert "event=epoch epoch=2 epochs=2 train_loss=" in log
    assert " valid_accuracy=" in log


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": "1"}, "unknown hyperparameter epoch: did you mean epochs?"),
        ({"batch": "3"}, "fewer than 2 pictures a step for each of 2 processes"),
        (
            {"architecture": "shuflenet_v2_x0_5", "processes": "1"},
            "did you mean shufflenet_v2_x0_5",
        ),
    ],
)
def test_a_wrong_setting_fails_the_job_with_its_reason_before_data_is_touched(
    ml_root: MlRoot, settings: dict[str, str], message: str
) -> None:
    root = ml_root(restarts="0", **settings)
    (root / "input/data/training").unlink()  # which would be the next reason
    run = run_trainer(root, "train")
    assert run.returncode == 1
    assert message in (root / "output/failure").read_text()
    assert message in run.stderr


def test_a_corrupt_picture_fails_a_streamed_job_by_name_before_its_first_step(
    ml_root: MlRoot, tmp_path: Path
) -> None:
    root = ml_root(memory="0", processes="1", restarts="0")
    data = root / "input/data/training"
    copy = tmp_path / "set"
    subprocess.run(["cp", "-rL", data, copy], check=True)
    data.unlink()
    data.symlink_to(copy)
    victim = min(copy.glob("test/*/*"))  # which training itself never looks at
    victim.write_bytes(victim.read_bytes()[:200])
    run = run_trainer(root, "train")
    assert run.returncode == 1
    assert "event=epoch" not in run.stdout
    assert f"{victim.name} cannot be read as a picture" in (root / "output/failure").read_text()


@dataclass
class Full:
    """A run whose result found no room, and what has been seen of it."""

    root: Path
    code: int
    most_processes: int  # beside the launcher
    addresses: set[str]  # on which they have listened


@pytest.fixture(scope="module")
def full(ml_root: MlRoot) -> Full:
    root = ml_root(epochs="1", restarts="0")
    (root / "model").mkdir()
    small = (
        f"mount -t tmpfs -o size=500k none {root}/model && exec {sys.executable} -m trainer train"
    )
    process = subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", small],
        env={**os.environ, "KENNEL_ML_ROOT": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    addresses: set[str] = set()
    most_processes = 0
    while process.poll() is None:
        addresses |= listening(process.pid)
        children = psutil.Process(process.pid).children(recursive=True)
        most_processes = max(most_processes, len(children))
        time.sleep(0.1)
    return Full(root, process.returncode, most_processes, addresses)


def test_while_training_nothing_listens_beyond_loopback(full: Full) -> None:
    assert full.most_processes >= 2
    assert full.addresses
    assert full.addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_a_full_disk_at_the_end_is_named_and_the_work_is_not_lost(full: Full) -> None:
    assert full.code == 1
    reason = (full.root / "output/failure").read_text()
    assert reason.startswith(f"{full.root}/model has no room for the result")
    assert list((full.root / "checkpoints").glob("step-*.json"))
    again = run_trainer(full.root, "train")
    assert again.returncode == 0, again.stderr
    assert "event=resumed" in again.stdout
    assert (full.root / "model/manifest.json").is_file()


def test_packing_without_a_model_says_so(ml_root: MlRoot, tmp_path: Path) -> None:
    run = run_trainer(ml_root(), "package", str(tmp_path / "model.tar.gz"))
    assert run.returncode == 1
    assert "holds no manifest.json: train a model first" in run.stderr


def test_an_unknown_command_is_a_usage_error(ml_root: MlRoot) -> None:
    run = run_trainer(ml_root(), "serve")
    assert run.returncode == 2
    assert "usage:" in run.stderr
