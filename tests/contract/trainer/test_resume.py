"""A run that is killed, stopped or finds its checkpoints damaged ends as if nothing had been."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import run_trainer
from tests.contract.trainer.conftest import Start

MlRoot = Callable[..., Path]
SAVING = {
    "save_steps": "2",
    "epochs": "3",
    "ema": "0.9",
    "architecture": "mobilenet_v3_small",
}


def weights(root: Path) -> str:
    """The digests of weights and graphs, once they have been held to the files."""
    files: dict[str, str] = json.loads((root / "model/manifest.json").read_text())["files"]
    for name, digest in files.items():
        assert hashlib.sha256((root / "model" / name).read_bytes()).hexdigest() == digest
    return json.dumps(files)


@pytest.fixture(scope="module")
def uninterrupted(ml_root: MlRoot) -> str:
    """The digests of an undisturbed run's files; its network has dropout."""
    root = ml_root(**SAVING)
    run = run_trainer(root, "train")
    assert run.returncode == 0, run.stderr
    return weights(root)


def test_a_run_killed_at_any_step_resumes_to_the_same_bits(
    ml_root: MlRoot, start: Start, uninterrupted: str
) -> None:
    """All its processes at once, whatever was half written."""
    root = ml_root(**SAVING)
    run = start(root)
    step, pause = random.choice([2, 4, 6, 8]), random.uniform(0, 0.2)  # noqa: S311
    print(f"killed {pause:.3f} s after step {step}")  # a moment that nobody has chosen
    run.until(f"event=checkpoint step={step} ")
    time.sleep(pause)
    run.kill()
    last = start(root)
    assert last.end() == 0, last.text()
    assert "event=resumed step=" in last.text()
    assert weights(root) == uninterrupted
    lines = (root / "output/data/metrics.jsonl").read_text().splitlines()
    epochs = [event["epoch"] for event in map(json.loads, lines) if event["event"] == "epoch"]
    assert epochs == [1, 2, 3]


def test_a_killed_worker_is_started_again_and_the_bits_stay_the_same(
    ml_root: MlRoot, start: Start, uninterrupted: str
) -> None:
    root = ml_root(**SAVING)
    run = start(root)
    run.until("event=checkpoint step=4 ")
    run.workers()[1].kill()
    assert run.end() == 0, run.text()
    assert "event=resumed step=" in run.text()
    assert not (root / "output/failure").exists()
    assert weights(root) == uninterrupted


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("os.kill(os.getpid(), 9)", "process 0 of 1 ended with SIGKILL (started again 2 times)"),
        ("sys.exit(failure.worker(lambda: 1 / 0))", "ZeroDivisionError: division by zero (started"),
    ],
)
def test_restarts_end_with_a_reason(ml_root: MlRoot, start: Start, end: str, reason: str) -> None:
    child = f"import os, sys; from trainer import failure; print('begun'); {end}"
    root = ml_root(processes="1", restarts="2")
    run = start(root, f"from trainer import launch; launch.COMMAND = ('-uc', {child!r})")
    assert run.end() == 1
    assert run.text().count("begun") == 3
    assert (root / "output/failure").read_text().startswith(reason)


def test_sigterm_saves_and_ends_with_143_and_the_rest_is_done_later(
    ml_root: MlRoot, start: Start, uninterrupted: str
) -> None:
    root = ml_root(**SAVING | {"save_steps": "0", "save_minutes": "0.001"})
    run = start(root)
    run.until("event=epoch epoch=1 ")
    assert "event=checkpoint step=" in run.text()
    began = time.monotonic()
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == 143, run.text()
    assert time.monotonic() - began < 60
    assert "event=stopped step=" in run.text()
    assert not (root / "output/failure").exists()
    assert list((root / "checkpoints").glob("step-*.json"))
    assert run_trainer(root, "train").returncode == 0
    assert weights(root) == uninterrupted


SIGTERM_IN_VALIDATION = """
import os, signal, sys
from trainer import failure, views, worker

views.CHUNK = 4
given = views.PictureViews.of_valid

def of_valid(self, rows):
    if rows.start == 0:
        os.kill(os.getpid(), signal.SIGTERM)
    return given(self, rows)

views.PictureViews.of_valid = of_valid
sys.exit(failure.worker(worker.run))
"""


def test_sigterm_in_a_long_validation_is_heard_too(ml_root: MlRoot) -> None:
    settings = SAVING | {"processes": "1"}
    undisturbed, root = ml_root(**settings), ml_root(**settings)
    assert run_trainer(undisturbed, "train").returncode == 0
    alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    run = subprocess.run(
        [sys.executable, "-c", SIGTERM_IN_VALIDATION],
        env={**os.environ, **alone, "KENNEL_ML_ROOT": str(root)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "event=stopped step=4" in run.stdout, run.stderr
    assert "event=epoch" not in run.stdout
    last = run_trainer(root, "train")
    assert last.returncode == 0, last.stderr
    assert "event=resumed step=4" in last.stdout
    assert weights(root) == weights(undisturbed)


@pytest.fixture(scope="module")
def saved(ml_root: MlRoot) -> Path:
    """A finished run with two checkpoints."""
    root = ml_root(epochs="1", save_steps="1")
    assert run_trainer(root, "train").returncode == 0
    return root


def again(saved: Path, folder: Path, **settings: str) -> Path:
    """The same run before its last steps, with other settings."""
    root = Path(shutil.copytree(saved, folder / "ml", symlinks=True))
    path = root / "input/config/hyperparameters.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return root


def test_regime_head_resumes_to_the_same_bits(ml_root: MlRoot, tmp_path: Path) -> None:
    """With the features computed anew, and other cuts of the pictures in each epoch."""
    settings = {"regime": "head", "views": "2", "epochs": "3", "save_steps": "2", "keep": "9"}
    whole = ml_root(**settings, rate="0.1")
    assert run_trainer(whole, "train").returncode == 0
    root = again(whole, tmp_path)
    for path in sorted((root / "checkpoints").glob("step-*"))[3 * 2 :]:  # all but three
        path.unlink()
    run = run_trainer(root, "train")
    assert run.returncode == 0, run.stderr
    assert "event=resumed step=6 epochs=1" in run.stdout
    assert weights(root) == weights(whole)


def test_of_damaged_checkpoints_the_one_before_is_taken_with_a_warning(
    saved: Path, tmp_path: Path
) -> None:
    root = again(saved, tmp_path)
    before, last = sorted((root / "checkpoints").glob("*.safetensors"))
    with last.open("r+b") as file:
        file.truncate(1000)
    run = run_trainer(root, "train")
    assert run.returncode == 0, run.stderr
    assert f"{last.stem}.json is damaged and passed over" in run.stdout
    assert f"event=resumed step={int(before.stem[5:])} " in run.stdout
    assert weights(root) == weights(saved)


def test_a_checkpoint_of_another_architecture_is_refused_by_name(
    saved: Path, tmp_path: Path
) -> None:
    root = again(saved, tmp_path, architecture="mobilenet_v3_small")
    run = run_trainer(root, "train")
    assert run.returncode == 1
    reason = (root / "output/failure").read_text()
    assert str(root / "checkpoints/step-0000000004.json") in reason
    assert "was made with architecture shufflenet_v2_x0_5, this run has architecture mob" in reason
    assert "set it back, or empty" in reason


def test_another_number_of_processes_goes_on_and_says_what_differs(
    saved: Path, tmp_path: Path
) -> None:
    root = again(saved, tmp_path, processes="1")
    for path in (root / "checkpoints").glob("step-0000000004.*"):
        path.unlink()
    run = run_trainer(root, "train")
    assert run.returncode == 0, run.stderr
    assert "made by 2 processes, now there are 1: from the same order" in run.stdout
