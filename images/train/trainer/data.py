"""The folder of labelled pictures: who reads which, decoded once, kept as uint8 in memory."""

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from trainer.errors import TrainingError

SPLITS = ("train", "valid", "test")
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
FORMATS = ("JPEG", "PNG", "WEBP")
Sample = tuple[Path, int]


@dataclass(frozen=True)
class Dataset:
    classes: list[str]
    splits: dict[str, list[Sample]]

    def fingerprint(self, root: Path) -> str:
        """A digest of all pictures, their names and labels; the manifest carries it."""
        digest = hashlib.sha256()
        for split in SPLITS:
            for path, label in self.splits[split]:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{path.relative_to(root)} {label} {content}\n".encode())
        return digest.hexdigest()


def read_folder(root: Path) -> Dataset:
    """What there is to learn from, in a fixed order; a set that spoils training is refused here."""
    missing = [split for split in SPLITS if not (root / split).is_dir()]
    if missing:
        raise TrainingError(
            f"{root} lacks the folder {missing[0]}: there must be train, valid and test"
        )
    classes = sorted(path.name for path in (root / "train").iterdir() if path.is_dir())
    if len(classes) < 2:
        raise TrainingError(f"{root / 'train'} holds {len(classes)} classes: at least 2 are needed")
    return Dataset(classes, {split: read_split(root / split, classes) for split in SPLITS})


def read_split(folder: Path, classes: list[str]) -> list[Sample]:
    strange = {path.name for path in folder.iterdir() if path.is_dir()} - set(classes)
    if strange:
        raise TrainingError(
            f"{folder / min(strange)} is a class that the train folder does not have"
        )
    samples = []
    for label, name in enumerate(classes):
        paths = sorted(p for p in (folder / name).glob("*") if p.suffix.lower() in SUFFIXES)
        if not paths:
            raise TrainingError(f"{folder / name} holds no picture ({', '.join(sorted(SUFFIXES))})")
        samples += [(path, label) for path in paths]
    return samples


def load(path: Path, resize: int) -> NDArray[np.uint8]:
    """The middle square of the upright picture, `resize` pixels to a side, RGB."""
    try:
        with Image.open(path, formats=FORMATS) as opened:
            shrink(opened, resize)
            picture = eight_bit(ImageOps.exif_transpose(opened)).convert("RGB")
    except Exception as error:  # Pillow's parsers raise whatever they stumble over
        raise TrainingError(f"{path} cannot be read as a picture: {error}") from error
    scale = resize / min(picture.size)
    width, height = (max(resize, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - resize) // 2, (height - resize) // 2
    return np.asarray(picture.crop((left, top, left + resize, top + resize)))


def shrink(picture: Image.Image, resize: int) -> None:
    """Let libjpeg decode at a half or a quarter where that is still larger than needed."""
    short = min(picture.size)
    factor = next((each for each in (4, 2) if short >= each * resize), 1)
    if factor > 1 and picture.format == "JPEG":
        picture.draft(None, (picture.width // factor, picture.height // factor))


def eight_bit(picture: Image.Image) -> Image.Image:
    """16-bit grey scaled down; Pillow would cut it off at 255 and leave it white."""
    if not picture.mode.startswith("I;16"):
        return picture
    return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))


def load_all(samples: list[Sample], resize: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All pictures of one process: N x R x R x 3, and their labels."""
    pictures = np.empty((len(samples), resize, resize, 3), np.uint8)
    for row, (path, _) in zip(pictures, samples, strict=True):
        row[:] = load(path, resize)
    return pictures, np.array([label for _, label in samples])


def shard(samples: list[Sample], rank: int, world: int) -> list[Sample]:
    """This process's share: all shares together hold every sample once."""
    return samples[rank::world]


def share_sizes(count: int, world: int) -> list[int]:
    return [len(range(rank, count, world)) for rank in range(world)]


def batch_bounds(count: int, steps: int) -> list[tuple[int, int]]:
    """One share cut into as many near-equal batches as there are steps: no tail, none left out."""
    cuts = [count * step // steps for step in range(steps + 1)]
    return list(pairwise(cuts))
