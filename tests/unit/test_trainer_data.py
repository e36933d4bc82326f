"""The pictures of a run: every one read once by some process, and a spoilt set named before it."""

import shutil
from pathlib import Path

import pytest

from trainer import data
from trainer.errors import TrainingError


@pytest.mark.parametrize("count", [4, 7, 31, 100])
@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_each_picture_comes_once_an_epoch_and_all_processes_step_alike(
    count: int, world: int, steps: int
) -> None:
    samples = [(Path(str(number)), 0) for number in range(count)]
    seen = []
    for rank in range(world):
        share = data.shard(samples, rank, world)
        assert len(share) == data.share_sizes(count, world)[rank]
        bounds = data.batch_bounds(len(share), steps)
        assert len(bounds) == steps
        seen += [sample for start, stop in bounds for sample in share[start:stop]]
    assert sorted(seen) == sorted(samples)


@pytest.fixture
def spoilt(pictures: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pictures, tmp_path / "set"))


def refusal(folder: Path) -> str:
    with pytest.raises(TrainingError) as error:
        data.read_folder(folder)
    return str(error.value)


def test_a_missing_split_is_named(spoilt: Path) -> None:
    shutil.rmtree(spoilt / "valid")
    assert "lacks the folder valid" in refusal(spoilt)


def test_a_single_class_is_not_enough(spoilt: Path) -> None:
    for path in sorted((spoilt / "train").iterdir())[1:]:
        shutil.rmtree(path)
    assert "holds 1 classes: at least 2 are needed" in refusal(spoilt)


def test_a_class_that_training_does_not_know_is_named(spoilt: Path) -> None:
    (spoilt / "valid/999.unicorn").mkdir()
    assert "999.unicorn is a class that the train folder does not have" in refusal(spoilt)


def test_an_empty_class_is_named(spoilt: Path) -> None:
    folder = min((spoilt / "test").iterdir())
    shutil.rmtree(folder)
    folder.mkdir()
    assert f"{folder.name} holds no picture" in refusal(spoilt)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0 cut short"])
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"broken\.jpg cannot be read as a picture"):
        data.load(path, 32)


def test_the_fingerprint_changes_with_a_single_byte(spoilt: Path) -> None:
    before = data.read_folder(spoilt).fingerprint(spoilt)
    assert data.read_folder(spoilt).fingerprint(spoilt) == before
    path = min(spoilt.glob("train/*/*"))
    path.write_bytes(path.read_bytes() + b"\0")
    assert data.read_folder(spoilt).fingerprint(spoilt) != before
