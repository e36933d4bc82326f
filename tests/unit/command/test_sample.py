"""The sample set: reproducible, varied, and not to be told apart by its colours."""

import hashlib
import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kennel import sample
from kennel.errors import UserError

COUNTS = {"train": 16, "valid": 2, "test": 2}


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.*"))
        if path.is_file()
    }


def test_the_seed_fixes_every_byte_whatever_the_number_of_processes(tmp_path: Path) -> None:
    small = {"train": 3, "valid": 1, "test": 1}
    for name, seed, processes in (("one", 5, 1), ("two", 5, 2), ("other", 6, 1)):
        folder = tmp_path / name
        list(sample.make_set(folder, classes=2, counts=small, seed=seed, processes=processes))
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    same = digests(tmp_path / "one").items() & digests(tmp_path / "other").items()
    assert not same


def test_the_set_has_every_kind_of_picture_that_people_collect(pictures: Path) -> None:
    seen: set[str] = set()
    for path in pictures.glob("*/*/*"):
        with Image.open(path) as picture:
            assert 90 <= min(picture.size) <= max(picture.size) <= 800
            seen |= {picture.format or "", picture.mode}
            seen |= {"rotated"} if picture.getexif().get(0x0112) == 6 else set()
            seen |= {"odd"} if max(picture.size) > 2.6 * min(picture.size) else set()
    assert seen >= {"JPEG", "PNG", "WEBP", "RGB", "L", "CMYK", "rotated", "odd"}


def test_every_class_looks_unlike_every_other() -> None:
    looks = [sample.look(label) for label in range(sample.MOST_CLASSES)]
    assert len(set(looks)) == sample.MOST_CLASSES
    for one, next_ in pairwise(looks):
        assert all(a != b for a, b in zip(one, next_, strict=True))


def test_mean_colours_do_not_tell_the_classes_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier by mean colours stays near chance (1 in 6), where a network need not.

    The pictures are drawn at a quarter of their size, which leaves their colours and takes less
    time.
    """
    size_of = sample.size_of

    def quarter(random: np.random.Generator, kind: str) -> tuple[int, int]:
        width, height = size_of(random, kind)
        return width // 4, height // 4

    monkeypatch.setattr(sample, "size_of", quarter)
    wanted = sample.pictures(classes=6, counts={"train": 24, "valid": 0, "test": 12}, seed=3)

    def mean_colour(picture: sample.Picture) -> np.ndarray:
        random = picture.random()
        content = sample.encode(sample.draw(picture, random), picture, random)
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).mean((0, 1))

    def colours(split: str) -> tuple[np.ndarray, np.ndarray]:
        found = [each for each in wanted if each.split == split]
        return np.array([mean_colour(each) for each in found]), np.array([p.label for p in found])

    seen, labels = colours("train")
    asked, truth = colours("test")
    distances = np.linalg.norm(asked[:, None] - seen[None], axis=2)
    nearest = np.array([np.bincount(labels[row.argsort()[:5]]).argmax() for row in distances])
    assert (nearest == truth).mean() < 0.45


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="is not empty"):
        list(sample.make_set(tmp_path, classes=2, counts=COUNTS, seed=1))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("classes", [1, sample.MOST_CLASSES + 1])
def test_an_impossible_number_of_classes_is_refused(tmp_path: Path, classes: int) -> None:
    with pytest.raises(UserError, match=f"choose 2 to {sample.MOST_CLASSES}"):
        list(sample.make_set(tmp_path / "set", classes=classes, counts=COUNTS, seed=1))


def test_an_interrupted_drawing_leaves_no_half_of_a_set(tmp_path: Path) -> None:
    drawing = sample.make_set(tmp_path / "set", classes=2, counts=COUNTS, seed=1, processes=1)
    next(iter(drawing))
    drawing.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []
