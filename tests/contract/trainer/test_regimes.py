"""The two regimes and their options, with real runs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import run_trainer

pytestmark = pytest.mark.long
MlRoot = Callable[..., Path]


def events(root: Path, kind: str) -> list[dict[str, float]]:
    lines = (root / "output/data/metrics.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def test_the_head_learns_on_features_and_leaves_the_backbone_as_it_was(
    ml_root: MlRoot, tmp_path: Path
) -> None:
    """Two processes, each with the features of its share; the weights come from a channel. A run
    that goes on from a checkpoint computes the features anew, and ends with the same bits."""
    import torch
    import torchvision
    from safetensors.torch import load_file, save_file

    torch.manual_seed(0)
    start = torchvision.models.get_model("shufflenet_v2_x0_5").state_dict()
    settings = {
        "regime": "head",
        "views": "2",
        "epochs": "40",
        "rate": "0.05",
        "weights": "channel",
        "save_steps": "50",
    }
    root = ml_root(**settings, balance="true")
    (root / "input/data/pretrained").mkdir()
    save_file(start, root / "input/data/pretrained/start.safetensors")
    run = run_trainer(root, "train")
    assert run.returncode == 0, run.stderr
    assert "event=features views=2 " in run.stdout

    losses = [event["train_loss"] for event in events(root, "epoch")]
    assert len(losses) == 40
    assert losses[-1] < losses[0]
    result = load_file(root / "model/model.safetensors")
    for name, value in result.items():
        assert name.startswith("fc.") or torch.equal(value, start[name]), name
    assert sum(name.startswith("fc.") for name in result) == 2
    assert "openvino/model-int8.xml" not in (root / "model/manifest.json").read_text()

    again = Path(shutil.copytree(root, tmp_path / "ml", symlinks=True))
    for path in (again / "checkpoints").glob("step-0000000160.*"):
        path.unlink()
    run = run_trainer(again, "train")
    assert run.returncode == 0, run.stderr
    assert "event=resumed step=150 epochs=37" in run.stdout
    assert files(again) == files(root)


def files(root: Path) -> dict[str, str]:
    digests: dict[str, str] = json.loads((root / "model/manifest.json").read_text())["files"]
    return digests


def test_early_stopping_ends_with_the_best_weights_of_an_averaged_accumulated_run(
    ml_root: MlRoot,
) -> None:
    settings = {"epochs": "30", "patience": "1", "ema": "0.9", "accumulate": "2", "rate": "1e-7"}
    root = ml_root(**settings, layer_decay="0.8", precision="bf16", processes="1")
    run = run_trainer(root, "train")
    assert run.returncode == 0, run.stderr
    accuracies = [event["valid_accuracy"] for event in events(root, "epoch")]
    assert len(accuracies) < 30
    assert accuracies[-1] <= max(accuracies[:-1])
