"""release.json, which a deployment is tried with, and the settings that whoever starts jobs asks
for."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import httpx

TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def test_the_server_answers_its_examples_as_training_did(
    trained: Path, server: httpx.Client
) -> None:
    release = json.loads((trained / "output/data/release.json").read_text())
    assert release["manifest"] == json.loads((trained / "model/manifest.json").read_text())
    assert 1 <= len(release["examples"]) <= 8
    for example in release["examples"]:
        picture = base64.b64decode(example["picture"])
        name = Path(example["name"])
        assert name.parts[0] == "test", "pictures that training has not seen"
        assert (trained / "input/data/training" / name).read_bytes() == picture
        answer = server.post(
            "/invocations", content=picture, headers={"Content-Type": TYPES[name.suffix]}
        ).json()
        assert answer["predictions"][0]["label"] == example["label"]
        assert answer["model"]["version"] == release["manifest"]["version"]


def settings(*files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainer", "settings", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_settings_are_completed_and_checked_without_a_job(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    # SageMaker's tuning adds a name of its own.
    good.write_text('{"epochs": "3", "_tuning_objective_metric": "valid_accuracy"}')
    bad.write_text('{"epoch": "3"}')
    done = settings(good, good)
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first == second
    assert first["epochs"] == 3
    assert first["architecture"] == "resnet50"
    refused = settings(good, bad)
    assert refused.returncode == 1
    assert refused.stderr == "error: unknown hyperparameter epoch: did you mean epochs?\n"
