"""What a run works with and does not change: pictures, what is seen of them, the steps."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer import (
    channels,
    checkpoint,
    data,
    frozen,
    model,
    pace,
    paths,
    precision,
    pretrained,
    recipe,
    share,
    state,
    views,
)
from trainer.config import Config
from trainer.journal import report, since
from trainer.world import World


@dataclass(frozen=True)
class Job:
    config: Config
    world: World
    library: share.Library
    train: share.Share
    valid: share.Share
    test: share.Share  # of rank 0 alone, which looks at it when training has ended
    whole: nn.Module
    network: nn.Module  # what is trained of it: all, or its last layer
    seen: views.Views
    bounds: pace.Bounds
    costs: Tensor | None  # of an error, by class
    precision: str  # of the arithmetic of the steps: bf16 or fp32

    @property
    def steps(self) -> int:
        """Of an epoch; the same for any number of processes."""
        return len(self.bounds.over_all)

    def close(self) -> None:
        for each in (self.train, self.valid, self.test):
            each.pictures.close()

    def square(self, row: int) -> NDArray[np.uint8]:
        """A test picture as the network sees it."""
        one = self.test.pictures[slice(row, row + 1)].numpy()
        square: NDArray[np.uint8] = model.cut_middle(one, self.config.size)[0]
        return square


def prepare(config: Config, world: World) -> Job:
    """Check the settings; find, check and decode the pictures; build the network. Faults end all
    processes by name."""
    config.check_step(world.size)
    start = world.in_turn(lambda: model.check(config))
    found = world.together(lambda: channels.found(paths.INPUTS, paths.CHANNELS))
    library = share.open_library(
        world, found, config.resize, config.memory, paths.CHANNELS / "training"
    )
    config.check_pictures(len(library.dataset.splits["train"]), world.size)
    world.together(lambda: state.foresee(config, library.dataset))
    torch.manual_seed(config.seed)
    whole = world.together(lambda: model.build(config, len(library.dataset.classes), start))
    if start:
        taken = pretrained.fitting(whole.state_dict(), start)
        said = pretrained.left_out(start, taken)
        report(world, event="pretrained", taken=len(taken), left_out=said)
    whole = whole.to(world.device).to(memory_format=torch.channels_last)

    began = time.monotonic()
    # A run that has made steps has looked at all of them before.
    if library.streams and not any(world.gather(checkpoint.newest_first(paths.CHECKPOINTS) != [])):
        world.together(library.look_over)
        report(world, event="checked", pictures=len(library.holders), seconds=since(began))
    train, valid, test = (library.load(split) for split in data.SPLITS)
    if not library.streams:
        report(world, event="decoded", pictures=len(library.holders), seconds=since(began))

    seen, network = look(config, world, whole, train, valid)
    arithmetic = precision.of_steps(config, world, network)
    report(world, event="training", precision=arithmetic)
    labels = library.dataset.labels("train")
    return Job(
        config=config,
        world=world,
        library=library,
        train=train,
        valid=valid,
        test=test,
        whole=whole,
        network=network,
        seen=seen,
        bounds=pace.bounds_of(train.total, config.batch, world),
        costs=recipe.class_weights(labels).to(world.device) if config.balance else None,
        precision=arithmetic,
    )


def look(
    config: Config, world: World, whole: nn.Module, train: share.Share, valid: share.Share
) -> tuple[views.Views, nn.Module]:
    """What is trained, and what it sees: pictures, or what a frozen backbone makes of them."""
    pictures = views.PictureViews(train, valid, world, config)
    if config.regime == "full":
        return pictures, whole
    began = time.monotonic()
    backbone, head = world.together(lambda: model.split(whole))
    arithmetic = precision.of_features(config, world)
    run = frozen.runner(backbone, config.size, world.device, arithmetic)
    features = views.FeatureViews(run, pictures)
    report(
        world,
        event="features",
        views=config.views,
        precision=arithmetic,
        seconds=since(began),
    )
    return features, head
