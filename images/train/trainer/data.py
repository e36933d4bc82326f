"""The set of labelled pictures: what there is, on which machine, and which classes it has.

A picture's name is its place in the set, `train/001.cat/felix.jpg`, whether it lies in a folder of
that name or in a tar file that `kennel data pack` has made.
"""

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from trainer.errors import TrainingError

SPLITS = ("train", "valid", "test")
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 80_000_000  # a file of kilobytes can claim gigapixels


@dataclass(frozen=True)
class Source:
    """Where the bytes of one picture lie: a file, or a part of one."""

    path: Path
    offset: int = 0
    size: int = -1

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    @property
    def length(self) -> int:
        """In bytes; -1 of a file that is not there, which is told when it is to be read."""
        try:
            return self.path.stat().st_size if self.size < 0 else self.size
        except OSError:
            return -1


@dataclass(frozen=True)
class Found:
    """What one machine has: pictures by name, and class folders, which may be empty."""

    pictures: dict[str, Source] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    promised: dict[str, int] = field(default_factory=dict)  # pictures, by split, in the index
    strange: list[str] = field(default_factory=list)  # files in class folders that are no pictures


def find(channels: Path) -> Found:
    """All pictures under SageMaker's channels: `training` with the splits in it, or one a split."""
    roots = [(channels / "training", "")]
    roots += [(channels / split, f"{split}/") for split in SPLITS]
    found = Found()
    for root, prefix in roots:
        if root.is_dir():
            find_folders(root, prefix, found)
            for shard in sorted(root.glob("*.tar")):
                find_packed(shard, prefix, found)
            if (root / "index.json").is_file():
                read_index(root / "index.json", found)
    return found


def find_folders(root: Path, prefix: str, found: Found) -> None:
    for folder in sorted(root.glob("*" if prefix else "*/*")):
        name = prefix + folder.relative_to(root).as_posix()
        if not folder.is_dir() or name.split("/")[0] not in SPLITS:
            continue
        found.folders.append(name)
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in SUFFIXES:
                found.pictures[f"{name}/{path.name}"] = Source(path)
            else:
                found.strange.append(f"{name}/{path.name}")


def find_packed(shard: Path, prefix: str, found: Found) -> None:
    """The members of a tar file, named `train/class/file` in it, or `class/file` in a channel."""
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                name = member.name
                if prefix and not name.startswith(prefix):
                    name = prefix + name
                if member.isreg() and name.count("/") == 2:
                    source = Source(shard, member.offset_data, member.size)
                    found.pictures[name] = source
                    found.folders.append(name.rpartition("/")[0])
    except (tarfile.TarError, OSError) as error:
        raise TrainingError(f"{shard} is not a whole tar file: {error}; pack it anew") from error


def read_index(path: Path, found: Found) -> None:
    """What `kennel data pack` says of the whole set, of which this machine may have a part."""
    try:
        splits = json.loads(path.read_text())["splits"]
        found.promised.update({split: int(splits[split]["pictures"]) for split in splits})
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} is not an index of `kennel data pack`: {error}") from error


def keep_promise(promised: dict[str, int], dataset: "Dataset", where: Path) -> None:
    """A tar file that was not copied is a part of the set that nobody would miss."""
    for split, count in promised.items():
        have = len(dataset.splits.get(split, []))
        if have != count:
            raise TrainingError(
                f"{where}: the index promises {count} pictures of {split}, there are {have}: copy "
                "all tar files that belong to it"
            )


@dataclass(frozen=True)
class Dataset:
    """The whole set, over all machines: names in a fixed order, and labels by class."""

    classes: list[str]
    splits: dict[str, list[str]]
    sizes: dict[str, int] = field(default_factory=dict)  # of the files, in bytes, by name

    @cached_property
    def digest(self) -> str:
        """Of the names, which say what picture comes when, and of how large each file is: what can
        be known before any is read."""
        whole = json.dumps([self.splits, self.sizes], sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()

    def labels(self, split: str) -> list[int]:
        number = {name: label for label, name in enumerate(self.classes)}
        return [number[name.split("/")[1]] for name in self.splits[split]]

    def counts(self, split: str) -> list[int]:
        """Pictures of each class."""
        counts: list[int] = np.bincount(self.labels(split), minlength=len(self.classes)).tolist()
        return counts


def survey(sizes: dict[str, int], folders: set[str], where: Path) -> Dataset:
    """What there is to learn from, of the pictures of these names and sizes; a set that spoils
    training is refused here."""
    present = {split: {f.split("/")[1] for f in folders if f.startswith(split)} for split in SPLITS}
    missing = [split for split in SPLITS if not present[split]]
    if missing:
        raise TrainingError(
            f"{where} lacks the folder {missing[0]}: there must be train, valid and test, "
            "each with a folder a class, in the channel training or as channels"
        )
    classes = sorted(present["train"])
    if len(classes) < 2:
        raise TrainingError(
            f"{where}: train holds {len(classes)} classes: at least 2 are needed, each a folder"
        )
    filled = {name.rpartition("/")[0] for name in sizes}
    for split in SPLITS:
        strange = present[split] - set(classes)
        if strange:
            raise TrainingError(
                f"{where}: {split}/{min(strange)} is a class that the train folder does not have"
            )
        empty = [name for name in classes if f"{split}/{name}" not in filled]
        if empty:
            kinds = ", ".join(sorted(SUFFIXES))
            raise TrainingError(f"{where}: {split}/{empty[0]} holds no picture ({kinds})")
    names = {s: sorted(n for n in sizes if n.startswith(f"{s}/")) for s in SPLITS}
    return Dataset(classes, names, sizes)


def load(path: Path, resize: int) -> NDArray[np.uint8]:
    """The middle square of the upright picture, `resize` pixels to a side, RGB."""
    return decode(path.read_bytes(), resize, str(path))


def decode(content: bytes, resize: int, name: str) -> NDArray[np.uint8]:
    if not content:
        raise TrainingError(f"{name} cannot be read as a picture: the file is empty")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise TrainingError(f"it claims {opened.width} x {opened.height} pixels")
            shrink(opened, resize)
            picture = eight_bit(ImageOps.exif_transpose(opened)).convert("RGB")
    except Exception as error:  # Pillow's parsers raise whatever they stumble over
        raise TrainingError(f"{name} cannot be read as a picture: {error}") from error
    scale = resize / min(picture.size)
    width, height = (max(resize, round(side * scale)) for side in picture.size)
    left, top = (width - resize) // 2, (height - resize) // 2
    # As if all of it were resized and then cut; only what is kept is computed: a strip of one pixel
    # by millions would otherwise take all memory.
    across, down = picture.width / width, picture.height / height
    box = (left * across, top * down, (left + resize) * across, (top + resize) * down)
    return np.asarray(picture.resize((resize, resize), Image.Resampling.BILINEAR, box=box))


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


def fingerprint(digests: dict[str, str]) -> str:
    """A digest of all pictures, their names and so their labels; the manifest carries it."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
