"""A folder of labelled pictures on disk, and one picture of it, decoded with caution."""

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from kennel.errors import UserError

SPLITS = ("train", "valid", "test")
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 80_000_000  # as the trainer has it: a file of kilobytes can claim gigapixels
CHUNK = 8  # files that a process is given at a time
UPRIGHT = 1  # the EXIF orientation of a picture that needs no turning
Result = TypeVar("Result")


def names(root: Path, split: str) -> list[str]:
    """`class/file` of every picture of a split, in a fixed order."""
    if not (root / split).is_dir():
        raise UserError(f"{root} lacks the folder {split}: there must be train, valid and test")
    found = (p for p in (root / split).glob("*/*") if p.suffix.lower() in SUFFIXES)
    return sorted(path.relative_to(root / split).as_posix() for path in found)


def upright(content: bytes) -> Image.Image:
    """The whole picture, turned as its EXIF tag says, in RGB. Raises what Pillow stumbles over."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise ValueError(
                f"it claims {opened.width} x {opened.height} pixels; training takes {MOST_PIXELS:,}"
            )
        turned = ImageOps.exif_transpose(opened)
        if turned.mode.startswith("I;16"):  # Pillow would cut it off at 255
            turned = Image.fromarray((np.asarray(turned) >> 8).astype(np.uint8))
        return turned.convert("RGB")


def in_parallel(
    action: Callable[[Path], Result], paths: list[Path], processes: int | None = None
) -> Iterator[Result]:
    """The action on every file, by as many processes as there are cores, in the files' order."""
    if len(paths) <= CHUNK:  # done before another process would have begun
        yield from map(action, paths)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from pool.map(action, paths, chunksize=CHUNK)
