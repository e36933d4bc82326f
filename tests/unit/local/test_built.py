"""What stands for images where there are none: a change of what would be in them is another."""

from pathlib import Path
from typing import Any

import pytest

from kennel.local import built, up
from kennel.local.account import Account
from kennel.local.job import job_name


@pytest.mark.parametrize("change", ["change", "add", "rename", "move"])
def test_other_sources_have_another_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(built, "ROOT", tmp_path)
    folder = tmp_path / "images/serve/server"
    folder.mkdir(parents=True)
    (folder / "app.py").write_text("a")
    (folder / "artifact.py").write_text("b")
    before = built.sources_id("serve")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/app.pyc").touch()
    assert built.sources_id("serve") == before
    match change:
        case "change":
            (folder / "app.py").write_text("c")
        case "add":
            (folder / "new.py").touch()
        case "rename":
            (folder / "app.py").rename(folder / "apple.py")
        case "move":  # of what separates one file from the next
            (folder / "app.py").write_text("")
            (folder / "artifact.py").write_text("ab")
    assert built.sources_id("serve") != before


def test_the_parts_are_apart() -> None:
    assert built.sources_id("serve") != built.sources_id("train")


def test_another_trainer_or_number_of_classes_is_another_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()

    class SageMaker:
        def describe_training_job(self, **one: str) -> dict[str, Any]:
            asked.add(one["TrainingJobName"])
            return {"TrainingJobStatus": "Completed", "ModelArtifacts": {"S3ModelArtifacts": "s3"}}

    monkeypatch.setattr(up, "client", lambda *_: SageMaker())
    monkeypatch.setattr(up, "sources_id", lambda part: f"sha256:{part}")
    journey = up.Journey(Account(tmp_path), up.Wishes(None, None, None, classes=3))
    journey._running = {"address": "", "region": ""}
    journey._outputs["platform"] = {"repository_urls": {"train": "somewhere"}}
    journey.train()
    assert asked == {job_name(3, "somewhere@sha256:train")}
    names = [job_name(3, "a"), job_name(3, "b"), job_name(4, "a")]
    assert len(set(names)) == 3
