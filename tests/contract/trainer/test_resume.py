"""A run that is killed, stopped or finds its checkpoints damaged ends as if nothing had been."""

import hashlib
import json
import random
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.conftest import run_trainer
from tests.contract.trainer.conftest import PATIENCE, Run, Start

pytestmark = pytest.mark.long
MlRoot = Callable[..., Path]
CHANGES = {"crop": "0.4", "colour": "0.3", "erase": "0.3", "mixup": "0.2", "cutmix": "1.0"}
EPOCHS = 8
SAVING = CHANGES | {
    "save_steps": "2",
    "epochs": str(EPOCHS),
    "ema": "0.9",
    "architecture": "mobilenet_v3_small",
}
STEPS = 4  # of an epoch


def result(root: Path) -> dict[str, Any]:
    """What the weights, graphs and pictures come to, once the files have been held to it."""
    manifest = json.loads((root / "model/manifest.json").read_text())
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((root / "model" / name).read_bytes()).hexdigest() == digest
    return {name: manifest[name] for name in ("files", "data_sha256", "metrics")}


@pytest.fixture(scope="module")
def packed(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from kennel.data import data

    target = tmp_path_factory.mktemp("packed") / "set"
    arguments = ["pack", str(pictures), str(target), "--short-side=64", "--pictures=20"]
    assert CliRunner().invoke(data, arguments).exit_code == 0
    return target


@pytest.fixture(scope="module")
def saving(ml_root: MlRoot, packed: Path) -> Callable[..., Path]:
    """A factory of runs on packed pictures, with every kind of change to them; the network has
    dropout."""

    def make(**settings: str) -> Path:
        root = ml_root(**SAVING | settings)
        (root / "input/data/training").unlink()
        (root / "input/data/training").symlink_to(packed)
        return root

    return make


@pytest.fixture(scope="module")
def uninterrupted(saving: Callable[..., Path]) -> Path:
    """The folder of an undisturbed run of two processes, in memory."""
    root = saving()
    run = run_trainer(root, "train")
    assert run.returncode == 0, run.stderr
    assert "event=pictures pictures=72 regime=memory " in run.stdout
    return root


def change(root: Path, **settings: str) -> None:
    path = root / "input/config/hyperparameters.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


IN_VALIDATION = """
import os, signal
from trainer import train, views

views.CHUNK = {chunk}
given = train.validate

def validate(job, state, vote):
    if len(state.history) >= {epoch} and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGTERM)
    return given(job, state, vote)

train.validate = validate
"""


def sigterm_in_validation(epoch: int, chunk: int) -> str:
    """To one process only, as it begins to validate after that many epochs, in chunks of a size."""
    return IN_VALIDATION.format(epoch=epoch, chunk=chunk)


def test_a_run_disturbed_in_every_way_ends_with_the_bits_of_one_that_was_not(
    saving: Callable[..., Path], start: Start, uninterrupted: Path
) -> None:
    """Each disturbance adds to those before: its last start goes on from what all have left."""
    root = saving(save_steps="0", save_minutes="0.001")
    lose_a_worker_then_stop(start(root))
    change(root, save_steps="2", save_minutes="10")
    stop_in_validation(start(root, sigterm_in_validation(0, chunk=4)))
    change(root, memory="0")
    lose_power(start(root))

    before, last = sorted((root / "checkpoints").glob("step-*.json"))[-2:]
    with last.with_suffix(".safetensors").open("r+b") as file:
        file.truncate(1000)
    run = stop_at_the_last_moment(start(root, sigterm_in_validation(EPOCHS - 1, chunk=64)))
    assert "event=pictures pictures=72 regime=streaming " in run.text()
    assert f"{last.name} is damaged and passed over" in run.text()
    assert f"event=resumed step={int(before.stem[5:])} " in run.text()
    run = start(root)
    assert run.end() == 0, run.text()
    assert result(root) == result(uninterrupted)
    lines = (root / "output/data/metrics.jsonl").read_text().splitlines()
    events = [event for event in map(json.loads, lines) if event["event"] == "epoch"]
    epochs = [event["epoch"] for event in events]
    assert epochs == list(range(1, EPOCHS + 1))
    assert all(float(event["images_per_second"]) > 0 for event in events)


def lose_a_worker_then_stop(run: Run) -> None:
    """The worker is started again; SIGTERM to the launcher saves and ends with 143."""
    run.until("event=epoch epoch=1 ")
    assert "event=checkpoint step=" in run.text(), "by the clock"
    run.workers()[1].kill()
    run.until("event=resumed step=")
    run.until("event=epoch ", times=run.text().count("event=epoch ") + 1)
    began = time.monotonic()
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == 143, run.text()
    assert time.monotonic() - began < PATIENCE / 2
    assert "event=stopped step=" in run.text()
    assert not (run.root / "output/failure").exists()
    assert list((run.root / "checkpoints").glob("step-*.json"))


def stop_in_validation(run: Run) -> None:
    """SIGTERM reaches one process only, in the first validation: what it would say stays open."""
    assert run.end() == 143, run.text()
    (stopped,) = re.findall(r"event=stopped step=(\d+)", run.text())
    assert int(stopped) % STEPS == 0
    assert "event=epoch" not in run.text()


def stop_at_the_last_moment(run: Run) -> Run:
    """SIGTERM reaches one process only, in the one chunk of the last validation: it is heard when
    there is nothing left to do but the result, which is left to the next start."""
    assert run.end() == 143, run.text()
    assert f"event=epoch epoch={EPOCHS} " in run.text()
    assert f"event=stopped step={EPOCHS * STEPS}" in run.text()
    assert not (run.root / "model").exists()
    return run


def lose_power(run: Run) -> None:
    """All processes at once, whatever was half written, at a moment that nobody has chosen."""
    saved, pause = random.choice([1, 2, 3]), random.uniform(0, 0.2)  # noqa: S311
    print(f"killed {pause:.3f} s after checkpoint {saved}")
    run.until("event=checkpoint step=", times=saved)
    assert "event=pictures pictures=72 regime=streaming " in run.text()
    time.sleep(pause)
    run.kill()


LOST = """
import os
from pathlib import Path
from trainer import data, train

given = train.train

def lose(job, *rest):
    stopped = given(job, *rest)
    if os.environ["RANK"] == "1":
        name = job.library.part[0]
        job.library.digests.pop(name, None)
        job.library.found.pictures[name] = data.Source(Path("/gone.png"))
    return stopped

train.train = lose
"""


def test_a_streamed_picture_that_is_gone_in_the_end_is_named(
    saving: Callable[..., Path], start: Start
) -> None:
    """By one process, when it needs the digests of what it has not seen; all end by that name."""
    root = saving(memory="0", epochs="1", save_steps="0", restarts="0")
    run = start(root, LOST)
    assert run.end() == 1, run.text()
    reason = (root / "output/failure").read_text()
    assert reason == "/gone.png cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("end", "processes", "reason"),
    [
        ("os.kill(os.getpid(), 9)", 1, "process 0 of 1 ended with SIGKILL (started again 2 times)"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero (started again 2 times)"),
        (
            "os.kill(os.getpid(), 9) if world.rank == 1 else world.sum(1)",
            2,
            "process 1 of 2 ended with SIGKILL (started again 2 times)",
        ),
    ],
)
def test_restarts_end_with_a_reason(
    ml_root: MlRoot, start: Start, end: str, processes: int, reason: str
) -> None:
    """Of several processes, that of the first to go: the others only lose their connections."""
    child = f"""
import os
from trainer import train

def prepare(config, world):
    print("begun", flush=True)
    {end}

train.prepare = prepare
"""
    root = ml_root(processes=str(processes), restarts="2")
    run = start(root, child)
    assert run.end() == 1
    assert run.text().count("begun") == 3 * processes
    assert (root / "output/failure").read_text().startswith(reason)


def test_processes_of_their_own_as_where_there_are_gpus_end_with_the_bits_of_forks(
    ml_root: MlRoot, start: Start, trained: Path
) -> None:
    root = ml_root()
    run = start(root, "from trainer import launch; launch.start_method = lambda: 'spawn'")
    run.until("event=epoch ")
    assert sum("spawn_main" in " ".join(each.cmdline()) for each in run.workers()) == 2
    assert run.end() == 0, run.text()
    mine, theirs = result(root)["files"], result(trained)["files"]
    assert mine == {name: digest for name, digest in theirs.items() if "int8" not in name}


def again(ended: Path, folder: Path, **settings: str) -> Path:
    """The same run before its last steps, with other settings."""
    root = Path(shutil.copytree(ended, folder / "ml", symlinks=True))
    change(root, **settings)
    return root


def test_a_checkpoint_of_another_architecture_is_refused_by_name_before_pictures_are_decoded(
    uninterrupted: Path, tmp_path: Path
) -> None:
    other = {"architecture": "shufflenet_v2_x0_5", "processes": "1", "restarts": "0"}
    root = again(uninterrupted, tmp_path, **other)
    run = run_trainer(root, "train")
    assert run.returncode == 1
    assert "event=decoded" not in run.stdout
    reason = (root / "output/failure").read_text()
    assert str(root / "checkpoints/step-0000000032.json") in reason
    assert "was made with architecture mobilenet_v3_small, this run has architecture shuf" in reason
    assert "set it back, or empty" in reason


def test_another_number_of_processes_goes_on_and_says_what_differs(
    uninterrupted: Path, tmp_path: Path
) -> None:
    root = again(uninterrupted, tmp_path, processes="1")
    for path in (root / "checkpoints").glob("step-0000000032.*"):
        path.unlink()
    run = run_trainer(root, "train")
    assert run.returncode == 0, run.stderr
    assert "made by 2 processes, now there are 1: from the same order" in run.stdout
