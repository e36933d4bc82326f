"""How a training picture differs from one epoch to the next: cut, mirrored, coloured, mixed.

All draws of an epoch come from the seed and the epoch's number, one for each picture of the whole
set: they are the same for any number of processes and threads, and a resumed run needs none of the
past. Whom a picture is mixed with is the one opposite it in its process's part of the step.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from trainer.config import Config

# For each picture a number from 0 to 1 of each kind.
KINDS: tuple[str, ...] = (
    *("area", "shape", "across", "down", "brightness", "contrast", "saturation"),
    *("erase", "hole", "hole_across", "hole_down", "mix", "patch_across", "patch_down"),
)
STRETCH = math.log(4 / 3)  # the most that a cut is wider than high, or higher than wide
HOLES = (0.02, 0.2)  # of the area: the smallest and the largest rectangle that is erased
GREY = (0.299, 0.587, 0.114)  # what red, green and blue weigh for the eye
GROWING = 2 / 3  # of the epochs: until then the pictures grow to their size


@dataclass(frozen=True)
class Seen:
    """What the network sees in a step: of mixed pictures, the second ones' labels too."""

    inputs: Tensor
    labels: Tensor
    others: Tensor | None = None
    shares: Tensor | None = None  # of the first pictures


@dataclass(frozen=True)
class Draws:
    """The draws of an epoch: a column for each picture."""

    places: Tensor  # top, left, and whether it is mirrored
    chances: Tensor  # a row for each of KINDS
    blends: Tensor  # the first picture's share in mixup, and in cutmix

    @classmethod
    def of_epoch(cls, config: Config, total: int, epoch: int) -> Self:
        generator = seeded(config.seed, epoch)
        torch.randperm(total, generator=generator)  # the order's draw comes first
        spare = config.resize - config.size + 1
        places = torch.randint(spare, (2, total), generator=generator)
        flips = torch.randint(2, (1, total), generator=generator) * config.flip
        random = np.random.default_rng((config.seed, epoch))
        chances = random.random((len(KINDS), total), dtype=np.float32)
        alphas = (config.mixup, config.cutmix)
        blends = np.stack([random.beta(a, a, total) if a else np.ones(total) for a in alphas])
        return cls(
            torch.cat([places, flips]),
            torch.from_numpy(chances),
            torch.from_numpy(blends.astype(np.float32)),
        )

    def columns(self, chosen: Tensor | slice) -> "Draws":
        return Draws(self.places[:, chosen], self.chances[:, chosen], self.blends[:, chosen])

    def to(self, device: torch.device) -> "Draws":
        """But for the places, which are wanted here; without waiting for the GPU."""
        chances = self.chances.to(device, non_blocking=True)
        return Draws(self.places, chances, self.blends.to(device, non_blocking=True))

    def __getitem__(self, kind: str) -> Tensor:
        return self.chances[KINDS.index(kind)]


def seeded(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 1_000_003 + epoch)


def side_at(config: Config, epoch: int) -> int:
    """Of what the network sees, in pixels: small pictures first where that was asked for."""
    grown = epoch / (GROWING * config.epochs)
    if not config.start_size or grown >= 1:
        return config.size
    return config.start_size + 32 * int(grown * (config.size - config.start_size) / 32)


def stretched(pictures: Tensor, draws: Draws, config: Config) -> Tensor:
    """A rectangle from a random place of each picture, stretched to a square."""
    area = config.crop + (1 - config.crop) * draws["area"]
    shape = torch.exp(STRETCH * (2 * draws["shape"] - 1))
    wide, high = (area * shape).sqrt().clamp(max=1), (area / shape).sqrt().clamp(max=1)
    mirrored = 1 - 2 * draws.places[2].to(wide.device, wide.dtype, non_blocking=True)
    across, down = (2 * draws["across"] - 1) * (1 - wide), (2 * draws["down"] - 1) * (1 - high)
    size = config.size
    # Number by number: a product of matrices may be summed otherwise in another batch.
    middles = (2 * torch.arange(size, device=wide.device) + 1) / size - 1
    columns = (wide * mirrored)[:, None] * middles + across[:, None]
    rows = high[:, None] * middles + down[:, None]
    grid = torch.stack(
        [columns[:, None, :].expand(-1, size, -1), rows[:, :, None].expand(-1, -1, size)], dim=-1
    )
    values = pictures.permute(0, 3, 1, 2).float()
    cut = grid_sample(values, grid, padding_mode="border", align_corners=False)
    return cut.permute(0, 2, 3, 1)


def recoloured(pictures: Tensor, draws: Draws, most: float) -> Tensor:
    """Brightness, contrast and saturation, each changed by up to the share `most`."""

    def factor(kind: str) -> Tensor:
        return (1 + most * (2 * draws[kind] - 1))[:, None, None, None]

    values = (pictures.float() * factor("brightness")).clamp(0, 255)
    # In whole numbers the sum is the same in whatever order it is made.
    parts = (1024 * grey(values)).round().long().flatten(1)
    middle = (parts.sum(1) / (1024 * parts.shape[1])).float()[:, None, None, None]
    values = (middle + (values - middle) * factor("contrast")).clamp(0, 255)
    dull = grey(values)[..., None]
    return (dull + (values - dull) * factor("saturation")).clamp(0, 255)


def grey(values: Tensor) -> Tensor:
    red, green, blue = (values[..., place] * weight for place, weight in enumerate(GREY))
    return red + green + blue


def erased(inputs: Tensor, draws: Draws, share: float) -> Tensor:
    """Some pictures without a rectangle: 0 is the mean of all colours once they are normalised."""
    side = (HOLES[0] + (HOLES[1] - HOLES[0]) * draws["hole"]).sqrt()
    side = side * (draws["erase"] < share)
    hole = rectangle(side, draws["hole_across"], draws["hole_down"], inputs.shape[-1])
    return inputs.masked_fill(hole[:, None], 0.0)


def rectangle(side: Tensor, across: Tensor, down: Tensor, size: int) -> Tensor:
    """N x size x size: whether a pixel lies in a square of this share of the side, which lies at
    a random place within the picture."""
    pixels = torch.arange(size, device=side.device)[None]
    length = (side * size).round()[:, None]
    left, top = ((place[:, None] * (size - length)).floor() for place in (across, down))
    inside_x = (pixels >= left) & (pixels < left + length)
    inside_y = (pixels >= top) & (pixels < top + length)
    return inside_y[:, :, None] & inside_x[:, None, :]


def shrunk(inputs: Tensor, side: int) -> Tensor:
    if inputs.shape[-1] == side:
        return inputs
    return interpolate(inputs, (side, side), mode="bilinear", antialias=True)


def mixed(inputs: Tensor, labels: Tensor, draws: Draws, config: Config) -> Seen:
    """Each picture with a part of the one opposite in the batch: blended, or as a rectangle."""
    if not config.mixup and not config.cutmix:
        return Seen(inputs, labels)
    others = inputs.flip(0)
    cut = (draws["mix"] < 0.5) if config.mixup and config.cutmix else draws["mix"] >= 0
    cut = cut & (config.cutmix > 0)
    side = (1 - draws.blends[1]).sqrt() * cut
    patch = rectangle(side, draws["patch_across"], draws["patch_down"], inputs.shape[-1])
    kept = torch.where(cut, torch.ones_like(side), draws.blends[0])[:, None, None, None]
    blended = torch.where(patch[:, None], others, kept * inputs + (1 - kept) * others)
    shares = torch.where(cut, 1 - patch.float().mean((1, 2)), draws.blends[0])
    return Seen(blended, labels, labels.flip(0), shares)
