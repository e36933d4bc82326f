"""The network: any torchvision classifier, and the batches it sees."""

import copy
import shutil
from difflib import get_close_matches
from typing import TypeVar

import numpy as np
import torch
import torchvision.models
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from trainer import paths
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
    # Two architectures have side outputs that help only training from scratch.
    plain = {"aux_logits": False, "init_weights": True}
    options = plain if config.architecture in {"googlenet", "inception_v3"} else {}
    network: nn.Module = torchvision.models.get_model(
        config.architecture, weights=None, num_classes=classes, **options
    )
    if config.weights != "none":
        start = published(config) if config.weights == "imagenet" else from_channel()
        adopt(network, start)
    return network


def published(config: Config) -> dict[str, Tensor]:
    weights = torchvision.models.get_model_weights(config.architecture).DEFAULT
    state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    return state


def from_channel() -> dict[str, Tensor]:
    """The weights that the job was given as a file, for want of a network."""
    folder = paths.CHANNELS / "pretrained"
    files = sorted(folder.glob("**/*.safetensors"))
    if len(files) != 1:
        raise TrainingError(
            f"{folder} holds {len(files)} safetensors files: with the hyperparameter weights at "
            "'channel' there must be one"
        )
    try:
        return load_file(files[0])
    except SafetensorError as error:
        raise TrainingError(f"{files[0]} is not a whole safetensors file: {error}") from error


def adopt(network: nn.Module, start: dict[str, Tensor]) -> None:
    """Take over all values that fit; the last layer does not where the classes are others."""
    own = network.state_dict()
    fitting = {n: v for n, v in start.items() if n in own and v.shape == own[n].shape}
    if len(fitting) < len(own) / 2:
        raise TrainingError(
            f"only {len(fitting)} of {len(own)} pretrained weights fit: they belong to an "
            "architecture other than the hyperparameter architecture says"
        )
    network.load_state_dict({**own, **fitting})


def split(network: nn.Module) -> tuple[nn.Module, nn.Linear]:
    """The network without its last layer, and that layer; both still parts of the whole one."""
    linear = [name for name, part in network.named_modules() if isinstance(part, nn.Linear)]
    if not linear:
        raise TrainingError("this architecture ends in no linear layer: set regime to full")
    head = network.get_submodule(linear[-1])
    backbone = copy.deepcopy(network)
    parent, _, name = linear[-1].rpartition(".")
    setattr(backbone.get_submodule(parent), name, nn.Identity())
    assert isinstance(head, nn.Linear)  # noqa: S101 - it was chosen for that
    return backbone.eval().requires_grad_(requires_grad=False), head


def parallel(network: nn.Module, config: Config) -> DistributedDataParallel:
    """The network as all processes train it, translated by torch.compile where that is wanted."""
    if not config.compile:
        return DistributedDataParallel(network)
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise TrainingError(
            "hyperparameter compile is true, which needs a C++ compiler, and there is none here: "
            "set it to false, or add g++ to the image"
        )
    return DistributedDataParallel(torch.compile(network))


def normalise(pictures: Tensor) -> Tensor:
    """uint8 N x H x W x 3 becomes what the network takes: float N x 3 x H x W, channels last."""
    mean = torch.tensor(MEAN, device=pictures.device)
    std = torch.tensor(STD, device=pictures.device)
    return ((pictures.float() - mean) / std).permute(0, 3, 1, 2)


def cut_middle(pictures: Pictures, size: int) -> Pictures:
    edge = (pictures.shape[1] - size) // 2
    return pictures[:, edge : edge + size, edge : edge + size]


def cut_at(pictures: Tensor, places: Tensor, size: int) -> Tensor:
    """A square of each picture at the place drawn for it, mirrored where that was drawn."""
    squares = []
    for picture, (top, left, flip) in zip(pictures, places.T.tolist(), strict=True):
        square = picture[top : top + size, left : left + size]
        squares.append(square.flip(1) if flip else square)
    return torch.stack(squares)
