"""What the network sees of the pictures: cut anew for each epoch, or features computed once."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from trainer import augment, model
from trainer.augment import Draws, Seen
from trainer.config import Config
from trainer.pictures import Kept, Pictures
from trainer.share import Share
from trainer.world import World

CHUNK = 64  # pictures a forward pass where no gradient is wanted
FREE = 0.5  # share of a GPU's free memory that decoded pictures may take


def order(share: Share, world: World, seed: int, epoch: int) -> Tensor:
    """The rows of this process's share in the order of the epoch, which is one of the whole set.
    Which of them meet in a step depends on the number of processes."""
    shuffled = torch.randperm(share.total, generator=augment.seeded(seed, epoch))
    return shuffled[shuffled % world.size == world.rank] // world.size


def near(pictures: Pictures, device: torch.device) -> Pictures:
    """On the GPU, where there is one that has room for them."""
    if device.type != "cuda" or not isinstance(pictures, Kept):
        return pictures
    free, _ = torch.cuda.mem_get_info(device)
    fits = pictures.pixels.nbytes < FREE * free
    return Kept(pictures.pixels.to(device)) if fits else pictures


def to(device: torch.device, values: Tensor) -> Tensor:
    """There, without waiting until the GPU has done what it was given before."""
    return values.to(device, non_blocking=True)


class Views(Protocol):
    def turn(self, epoch: int, rows: Tensor) -> None:
        """Get ready for an epoch, or for these rows that are left of it, in their order."""

    def of_train(self, rows: Tensor) -> Seen:
        """What the network sees of these rows of the training share in this epoch."""

    def of_valid(self, rows: slice) -> Tensor: ...


class PictureViews:
    """Training pictures as the settings want them changed; for validation the middle squares."""

    def __init__(self, train: Share, valid: Share, world: World, config: Config) -> None:
        self.train, self.valid, self.world, self.config = train, valid, world, config
        self.device = world.device
        self.pictures = near(train.pictures, self.device)
        self.judged = near(valid.pictures, self.device)
        self.turn(0, torch.arange(0))

    def turn(self, epoch: int, rows: Tensor) -> None:
        whole = Draws.of_epoch(self.config, self.train.total, epoch)
        self.draws = whole.columns(slice(self.world.rank, None, self.world.size))
        self.side = augment.side_at(self.config, epoch)
        self.train.pictures.expect(rows)

    def of_train(self, rows: Tensor) -> Seen:
        config, draws = self.config, self.draws.columns(rows).to(self.device)
        pictures = self.pictures[rows]
        if config.crop < 1:
            cuts = augment.stretched(to(self.device, pictures), draws, config)
        else:
            cuts = to(self.device, model.cut_at(pictures, draws.places, config.size))
        if config.colour:
            cuts = augment.recoloured(cuts, draws, config.colour)
        inputs = augment.shrunk(model.normalise(cuts), self.side)
        if config.erase:
            inputs = augment.erased(inputs, draws, config.erase)
        return augment.mixed(inputs, to(self.device, self.train.labels[rows]), draws, config)

    def of_valid(self, rows: slice) -> Tensor:
        if rows.start == 0:
            self.judged.expect(torch.arange(len(self.valid.labels)))
        cuts = model.cut_middle(self.judged[rows], self.config.size)
        return model.normalise(cuts.to(self.device))


class FeatureViews:
    """A frozen backbone's answers to `views` cuts of each picture; epochs take them in turn."""

    def __init__(self, backbone: Callable[[Tensor], Tensor], pictures: PictureViews) -> None:
        self.count = pictures.config.views
        self.labels = pictures.train.labels.to(pictures.device)
        self.views: list[Tensor] = []
        everything = torch.arange(len(self.labels))
        for view in range(self.count):
            pictures.turn(view, everything)
            parts = [
                backbone(pictures.of_train(rows).inputs) for rows in torch.split(everything, CHUNK)
            ]
            self.views.append(torch.cat(parts))
        starts = range(0, len(pictures.valid.labels), CHUNK)
        parts = [backbone(pictures.of_valid(slice(s, s + CHUNK))) for s in starts]
        self.valid = torch.cat(parts) if parts else self.views[0][:0]
        self.view = self.views[0]

    def turn(self, epoch: int, _: Tensor) -> None:
        self.view = self.views[epoch % self.count]

    def of_train(self, rows: Tensor) -> Seen:
        chosen = to(self.view.device, rows)
        return Seen(self.view[chosen], self.labels[chosen])

    def of_valid(self, rows: slice) -> Tensor:
        return self.valid[rows]
