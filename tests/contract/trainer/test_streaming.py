"""A set that does not fit in memory: decoded on the fly from tar files, to the same bits."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import run_trainer
from tests.contract.trainer.conftest import Start

MlRoot = Callable[..., Path]
CHANGES = {"crop": "0.4", "colour": "0.3", "erase": "0.3", "mixup": "0.2", "cutmix": "1.0"}
SETTINGS = CHANGES | {"epochs": "3", "save_steps": "2"}


def result(root: Path) -> dict[str, object]:
    manifest = json.loads((root / "model/manifest.json").read_text())
    return {name: manifest[name] for name in ("files", "data_sha256", "metrics")}


@pytest.fixture
def packed(pictures: Path, tmp_path: Path) -> Path:
    from kennel.data import data

    target = tmp_path / "packed"
    arguments = ["pack", str(pictures), str(target), "--short-side=64", "--pictures=20"]
    assert CliRunner().invoke(data, arguments).exit_code == 0
    return target


def test_a_streamed_run_killed_and_resumed_ends_as_one_in_memory(
    ml_root: MlRoot, packed: Path, start: Start
) -> None:
    """On packed pictures, with every kind of change to them, by two processes."""
    roots = [ml_root(**SETTINGS, memory=memory) for memory in ("0.7", "0")]
    for root in roots:
        (root / "input/data/training").unlink()
        (root / "input/data/training").symlink_to(packed)
    kept, streamed = roots
    run = run_trainer(kept, "train")
    assert run.returncode == 0, run.stderr
    assert "event=pictures pictures=72 regime=memory " in run.stdout

    first = start(streamed)
    first.until("event=checkpoint step=6 ")
    assert "event=pictures pictures=72 regime=streaming " in first.text()
    first.kill()
    second = start(streamed)
    assert second.end() == 0, second.text()
    assert "event=resumed step=" in second.text()
    assert result(streamed) == result(kept)
