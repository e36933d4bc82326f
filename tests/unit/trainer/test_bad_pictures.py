"""Files that are no pictures end a run by name before its first step, in memory or streamed."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from trainer import paths
from trainer.config import Config
from trainer.errors import TrainingError

if TYPE_CHECKING:
    from trainer.world import World


def empty(path: Path) -> str:
    path.write_bytes(b"")
    return "the file is empty"


def no_picture(path: Path) -> str:
    path.write_bytes(b"%PDF-1.7 of a dog")
    return "cannot identify image file"


def cut_short(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-200])
    return "truncated"


def gone(path: Path) -> str:
    path.unlink()
    path.symlink_to("away.jpg")
    return "No such file or directory"


def bomb(path: Path) -> str:
    Image.new("1", (9_200, 9_200)).save(path, format="PNG")
    return "it claims 9200 x 9200 pixels"


@pytest.mark.parametrize("memory", [0.0, 0.7], ids=["streamed", "in memory"])
@pytest.mark.parametrize("spoil", [empty, no_picture, cut_short, bomb, gone])
def test_a_spoilt_picture_of_any_split_is_named(
    alone: "World",
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    memory: float,
    spoil: Callable[[Path], str],
) -> None:
    from trainer import job

    copy = Path(shutil.copytree(pictures, tmp_path / "data/training"))
    victim = max(copy.glob("test/*/*.jpg"))
    said = spoil(victim)
    monkeypatch.setattr(paths, "CHANNELS", tmp_path / "data")
    monkeypatch.setattr(paths, "METRICS", tmp_path / "metrics.jsonl")
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "checkpoints")
    config = Config(architecture="shufflenet_v2_x0_5", size=32, resize=36, memory=memory)
    with pytest.raises(TrainingError) as error:
        job.prepare(config, alone)
    assert f"{victim} cannot be read" in str(error.value)
    assert said in str(error.value)
