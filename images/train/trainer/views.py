"""What the network sees of the pictures: cut anew for each epoch, or features computed once.

All draws of an epoch come from the seed and the epoch's number, one for each picture of the whole
set: they are the same for any number of processes, and a resumed run needs none of the past.
"""

from typing import Protocol, cast

import torch
from torch import Tensor, nn

from trainer import model
from trainer.share import Share
from trainer.world import World

CHUNK = 64  # pictures a forward pass where no gradient is wanted


def draws(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 1_000_003 + epoch)


def order(share: Share, world: World, seed: int, epoch: int) -> Tensor:
    """The rows of this process's share in the order of the epoch, which is one of the whole set."""
    shuffled = torch.randperm(share.total, generator=draws(seed, epoch))
    return shuffled[shuffled % world.size == world.rank] // world.size


class Views(Protocol):
    def turn(self, epoch: int) -> None:
        """Get ready for an epoch."""

    def of_train(self, rows: Tensor) -> Tensor:
        """What the network sees of these rows of the training share in this epoch."""

    def of_valid(self, rows: slice) -> Tensor: ...


class PictureViews:
    """A square from a random place of each picture, half of them mirrored; for validation the
    middle one."""

    def __init__(self, train: Share, valid: Share, world: World, size: int, seed: int) -> None:
        self.train, self.valid, self.world = train, valid, world
        self.size, self.seed = size, seed
        self.device = world.device
        self.turn(0)

    def turn(self, epoch: int) -> None:
        total, spare = self.train.total, self.train.pictures.shape[1] - self.size + 1
        generator = draws(self.seed, epoch)
        torch.randperm(total, generator=generator)  # the order's draw comes first
        places = torch.randint(spare, (2, total), generator=generator)
        flips = torch.randint(2, (1, total), generator=generator)
        self.draws = torch.cat([places, flips])[:, self.world.rank :: self.world.size]

    def of_train(self, rows: Tensor) -> Tensor:
        cuts = model.cut_at(self.train.pictures, rows, self.draws[:, rows], self.size)
        return model.normalise(cuts.to(self.device))

    def of_valid(self, rows: slice) -> Tensor:
        cuts = model.cut_middle(self.valid.pictures[rows], self.size)
        return model.normalise(cuts.to(self.device))


class FeatureViews:
    """The backbone's answers to `count` views of each picture; epochs take them in turn."""

    def __init__(self, backbone: nn.Module, pictures: PictureViews, count: int) -> None:
        self.count = count
        self.views: list[Tensor] = []
        everything = torch.arange(len(pictures.train.labels))
        for view in range(count):
            pictures.turn(view)
            parts = [
                features(backbone, pictures.of_train(rows))
                for rows in torch.split(everything, CHUNK)
            ]
            self.views.append(torch.cat(parts))
        starts = range(0, len(pictures.valid.labels), CHUNK)
        parts = [features(backbone, pictures.of_valid(slice(s, s + CHUNK))) for s in starts]
        self.valid = torch.cat(parts) if parts else self.views[0][:0]
        self.turn(0)

    def turn(self, epoch: int) -> None:
        self.view = self.views[epoch % self.count]

    def of_train(self, rows: Tensor) -> Tensor:
        return self.view[rows.to(self.view.device)]

    def of_valid(self, rows: slice) -> Tensor:
        return self.valid[rows]


@torch.no_grad()
def features(backbone: nn.Module, pictures: Tensor) -> Tensor:
    return cast(Tensor, backbone(pictures))
