"""A labelled picture set made from a seed, for people who have no pictures at hand yet.

A class is a texture behind a shape in a scheme of colours: `stripes_star_warm`. Colours alone do
not tell the classes apart (hues are drawn anew for each picture): a network has to learn to look.
Each picture has a random stream of its own, from the seed and its place in the set: the same seed
gives the same bytes, whatever the number of processes that draw.
"""

import colorsys
import hashlib
import io
import math
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kennel.errors import UserError

Field = NDArray[np.floating[Any]]
TAU = 2 * math.pi
SCHEMES = ("warm", "cool", "pale", "dark")
# How each picture is stored; one in sixteen of each unusual kind, as in sets that people collect.
PLAIN = "plain"
KINDS = (*[PLAIN] * 10, "png", "webp", "grey", "cmyk", "rotated", "odd")


@dataclass(frozen=True)
class Picture:
    seed: int
    split: str
    label: int
    index: int

    @property
    def kind(self) -> str:
        return KINDS[(self.index + 5 * self.label) % len(KINDS)]

    @property
    def path(self) -> Path:
        name = class_name(self.label)
        suffix = {"png": "png", "webp": "webp"}.get(self.kind, "jpg")
        stem = name.split(".", 1)[1]
        return Path(self.split, name, f"{stem}_{self.index + 1:05d}.{suffix}")

    def random(self) -> np.random.Generator:
        place = f"{self.seed}/{self.split}/{self.label}/{self.index}".encode()
        return np.random.default_rng(int.from_bytes(hashlib.sha256(place).digest()[:8]))


def noise(random: np.random.Generator, height: int, width: int, cells: int) -> Field:
    """Smooth random values between 0 and 1, about `cells` blotches to a side."""
    coarse = random.random((cells + 2, cells + 2), dtype=np.float32)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32)


# Textures: a value from 0 to 1 for each point; u and v run over the picture, 1 being a period.
TEXTURES: dict[str, Callable[[Field, Field], Field]] = {
    "stripes": lambda u, _: (np.sin(TAU * u) > 0).astype(np.float32),
    "checks": lambda u, v: ((np.floor(u) + np.floor(v)) % 2).astype(np.float32),
    "dots": lambda u, v: ((u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2 < 0.09).astype(np.float32),
    "rings": lambda u, v: (0.5 + 0.5 * np.sin(TAU * np.hypot(u, v))).astype(np.float32),
    "waves": lambda u, v: (0.5 + 0.5 * np.sin(TAU * (v + 0.35 * np.sin(TAU * u / 2)))).astype(
        np.float32
    ),
    "bricks": lambda u, v: (
        ((v * 1.5) % 1 < 0.85) & ((u / 1.6 + 0.5 * (np.floor(v * 1.5) % 2)) % 1 < 0.9)
    ).astype(np.float32),
    "mesh": lambda u, v: ((u % 1 < 0.16) | (v % 1 < 0.16)).astype(np.float32),
    "zigzag": lambda u, v: ((v + 0.8 * np.abs(u % 1 - 0.5)) % 1 < 0.5).astype(np.float32),
    "petals": lambda u, v: (
        0.5
        + 0.5 * np.sin(5 * np.arctan2(v % 2 - 1, u % 2 - 1) + 4 * np.hypot(u % 2 - 1, v % 2 - 1))
    ).astype(np.float32),
    "weave": lambda u, v: (np.sin(TAU * u) * np.cos(TAU * v) * 0.5 + 0.5).astype(np.float32),
}


def polygon(x: Field, y: Field, sides: int) -> Field:
    """The distance from the centre in units of a regular polygon's own size."""
    slice_ = TAU / sides
    angle = (np.arctan2(x, y) + slice_ / 2) % slice_ - slice_ / 2
    return (np.hypot(x, y) * np.cos(angle) / math.cos(slice_ / 2) * 0.9).astype(np.float32)


# Shapes: below 1 inside, above 1 outside; x and y are 0 in the middle, about 1 at the rim.
SHAPES: dict[str, Callable[[Field, Field], Field]] = {
    "disc": np.hypot,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) * 1.2,
    "triangle": lambda x, y: polygon(x, y, 3),
    "star": lambda x, y: np.hypot(x, y) * (1.35 + 0.55 * np.cos(5 * np.arctan2(x, y))),
    "cross": lambda x, y: np.minimum(
        np.maximum(abs(x), 3 * abs(y)), np.maximum(3 * abs(x), abs(y))
    ),
    "ring": lambda x, y: 1 + 3 * (abs(np.hypot(x, y) - 0.75) - 0.25),
    "crescent": lambda x, y: np.maximum(np.hypot(x, y), 1.55 - np.hypot(x - 0.5, y) * 0.8),
    "heart": lambda x, y: np.hypot(1.1 * x, 1.2 * y + 0.7 * np.sqrt(abs(x)) - 0.25),
    "hexagon": lambda x, y: polygon(x, y, 6),
    "bar": lambda x, y: np.maximum(abs(x) * 0.95, abs(y) * 3),
}

MOST_CLASSES = len(TEXTURES) * len(SHAPES) * len(SCHEMES)


def look(label: int) -> tuple[str, str, str]:
    """The texture, shape and scheme of a class; neighbours differ in all three."""
    texture = label % len(TEXTURES)
    shape = (texture + label // len(TEXTURES)) % len(SHAPES)
    scheme = (label + label // (len(TEXTURES) * len(SHAPES))) % len(SCHEMES)
    return list(TEXTURES)[texture], list(SHAPES)[shape], SCHEMES[scheme]


def class_name(label: int) -> str:
    return f"{label + 1:03d}.{'_'.join(look(label))}"


def colours(random: np.random.Generator, scheme: str) -> NDArray[np.float32]:
    """The figure's colour and two of the ground. A scheme is their relation, not a colour."""
    hue, saturation, value = random.random(), random.uniform(0.3, 0.7), random.uniform(0.5, 0.8)
    more, brighter = {"warm": (0.3, 0), "cool": (-0.3, 0), "pale": (0, 0.2), "dark": (0, -0.3)}[
        scheme
    ]
    figure = (hue, saturation + more, value + brighter)
    ground = (hue + random.uniform(0.25, 0.75), saturation - more, value - brighter)
    second = (ground[0] + random.uniform(-0.1, 0.1), ground[1], ground[2] * 0.45)
    rows = [
        colorsys.hsv_to_rgb(h % 1, min(max(s, 0), 1), min(max(v, 0), 1))
        for h, s, v in (figure, ground, second)
    ]
    return np.array(rows, dtype=np.float32)


def size_of(random: np.random.Generator, kind: str) -> tuple[int, int]:
    long, short = int(random.integers(420, 801)), int(random.integers(300, 421))
    if kind == "odd":
        short = int(random.integers(90, 160))
    return (long, short) if random.random() < 0.7 else (short, long)


def draw(picture: Picture, random: np.random.Generator) -> Image.Image:
    """Texture, shape, light and noise, put together."""
    texture, shape, scheme = look(picture.label)
    width, height = size_of(random, picture.kind)
    unit = min(width, height)
    y, x = np.mgrid[:height, :width].astype(np.float32)

    turn = random.uniform(0, TAU)
    period = unit * random.uniform(0.09, 0.16)
    warp = 0.5 * noise(random, height, width, 4)
    u = (x * math.cos(turn) + y * math.sin(turn)) / period + warp + random.uniform(0, 9)
    v = (y * math.cos(turn) - x * math.sin(turn)) / period + warp + random.uniform(0, 9)
    ground = TEXTURES[texture](u, v)

    tilt = random.uniform(-0.5, 0.5)
    radius = unit * random.uniform(0.26, 0.4)
    across = (x - width * random.uniform(0.4, 0.6)) / radius
    down = (y - height * random.uniform(0.4, 0.6)) / radius
    inside = SHAPES[shape](
        across * math.cos(tilt) + down * math.sin(tilt),
        down * math.cos(tilt) - across * math.sin(tilt),
    )
    edge = np.clip((1 - inside) * radius / 3 + 0.5, 0, 1)[..., None]

    figure_colour, light, shade = colours(random, scheme)
    if random.random() < 0.5:
        light, shade = shade, light
    pixels = light * ground[..., None] + shade * (1 - ground[..., None])
    pixels = pixels * (1 - edge) + figure_colour * edge
    pixels *= 0.7 + 0.5 * noise(random, height, width, 2)[..., None]
    pixels += 0.04 * random.standard_normal((height, width, 1), dtype=np.float32)
    return Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8))


def encode(image: Image.Image, picture: Picture, random: np.random.Generator) -> bytes:
    """The bytes of the file, in the format and the colour mode of its kind."""
    data = io.BytesIO()
    quality = int(random.integers(78, 93))
    match picture.kind:
        case "png":
            image.save(data, "PNG")
        case "webp":
            image.save(data, "WEBP", quality=quality)
        case "grey":
            image.convert("L").save(data, "JPEG", quality=quality)
        case "cmyk":
            image.convert("CMYK").save(data, "JPEG", quality=quality)
        case "rotated":
            exif = Image.Exif()
            exif[0x0112] = 6  # a camera held upright: turn it right by 90 degrees to look at it
            turned = image.transpose(Image.Transpose.ROTATE_90)
            turned.save(data, "JPEG", quality=quality, exif=exif)
        case _:
            image.save(data, "JPEG", quality=quality)
    return data.getvalue()


def write(picture: Picture, folder: Path) -> int:
    random = picture.random()
    content = encode(draw(picture, random), picture, random)
    path = folder / picture.path
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.write_bytes(content)


def pictures(classes: int, counts: dict[str, int], seed: int) -> list[Picture]:
    return [
        Picture(seed, split, label, index)
        for split, count in counts.items()
        for label in range(classes)
        for index in range(count)
    ]


def make_set(
    folder: Path, *, classes: int, counts: dict[str, int], seed: int, processes: int | None = None
) -> Iterator[int]:
    """Draw the set into `folder`, which appears when complete; yields the size of each file."""
    if not 2 <= classes <= MOST_CLASSES:
        raise UserError(f"{classes} classes cannot be drawn: choose 2 to {MOST_CLASSES}")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty: choose another folder or remove it first")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    wanted = pictures(classes, counts, seed)
    workers = min(processes or os.cpu_count() or 1, len(wanted))
    try:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            yield from pool.map(write, wanted, [partial] * len(wanted), chunksize=8)
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
