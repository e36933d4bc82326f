"""The network: any torchvision classifier, and the batches it sees."""

from difflib import get_close_matches
from typing import TypeVar

import numpy as np
import torch
import torchvision.models
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.config import Config
from trainer.errors import TrainingError

Pictures = TypeVar("Pictures", Tensor, NDArray[np.uint8])
MEAN = (123.675, 116.28, 103.53)  # of ImageNet, for values from 0 to 255
STD = (58.395, 57.12, 57.375)


def build(config: Config, classes: int) -> nn.Module:
    known = torchvision.models.list_models(module=torchvision.models)
    if config.architecture not in known:
        near = get_close_matches(config.architecture, known, n=3, cutoff=0.4)
        raise TrainingError(
            f"hyperparameter architecture is {config.architecture!r}, which torchvision lacks: "
            f"did you mean {' or '.join(near or ['resnet50'])}?"
        )
    network: nn.Module = torchvision.models.get_model(
        config.architecture, weights=None, num_classes=classes
    )
    if config.weights == "imagenet":
        published = torchvision.models.get_model_weights(config.architecture).DEFAULT
        start = published.get_state_dict(progress=False, check_hash=True)
        own = network.state_dict()
        # All but the last layer, whose classes are ours.
        fitting = {name: value for name, value in start.items() if value.shape == own[name].shape}
        network.load_state_dict({**own, **fitting})
    return network


def normalise(pictures: Tensor) -> Tensor:
    """uint8 N x H x W x 3 becomes what the network takes: float N x 3 x H x W, channels last."""
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    return ((pictures.float() - mean) / std).permute(0, 3, 1, 2)


def cut_middle(pictures: Pictures, size: int) -> Pictures:
    edge = (pictures.shape[1] - size) // 2
    return pictures[:, edge : edge + size, edge : edge + size]


def cut_anywhere(pictures: Tensor, size: int, draws: torch.Generator) -> Tensor:
    """A square from a random place of each picture, half of them mirrored."""
    spare = pictures.shape[1] - size + 1
    tops, lefts = torch.randint(spare, (2, len(pictures)), generator=draws).tolist()
    flips = torch.randint(2, (len(pictures),), generator=draws).tolist()
    squares = [
        picture[top : top + size, left : left + size]
        for picture, top, left in zip(pictures, tops, lefts, strict=True)
    ]
    turned = [s.flip(1) if flip else s for s, flip in zip(squares, flips, strict=True)]
    return torch.stack(turned)
