"""The network: any torchvision classifier, and the batches it sees."""

import copy
import functools
import importlib.util
import shutil
from difflib import get_close_matches
from typing import Any, TypeVar

import numpy as np
import torch
import torchvision.models
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode

from trainer import pretrained
from trainer.config import Config
from trainer.errors import TrainingError

Pictures = TypeVar("Pictures", Tensor, NDArray[np.uint8])
MEAN = (123.675, 116.28, 103.53)  # of ImageNet, for values from 0 to 255
STD = (58.395, 57.12, 57.375)
COMPILERS = ("c++", "g++", "clang++")


def check(config: Config) -> dict[str, Tensor]:
    """Hold the settings to the network on paper, before there are pictures. Returns the weights to
    start from."""
    known = torchvision.models.list_models(module=torchvision.models)
    if config.architecture not in known:
        near = get_close_matches(config.architecture, known, n=3, cutoff=0.4)
        raise TrainingError(
            f"hyperparameter architecture is {config.architecture!r}, which torchvision lacks: "
            f"did you mean {' or '.join(near or ['resnet50'])}?"
        )
    if config.compile:
        check_compiler()
    network = sketch(config)
    for name in ("size", "start_size"):
        if getattr(config, name):
            check_side(network, config, name)
    if config.regime == "head":
        split(network)
    start = pretrained.load(config)
    if start:
        pretrained.fitting(network.state_dict(), start)
    return start


def check_compiler() -> None:
    lacks = [] if any(map(shutil.which, COMPILERS)) else ["a C++ compiler (g++)"]
    if torch.cuda.is_available() and importlib.util.find_spec("triton") is None:
        lacks.append("triton")
    if lacks:
        raise TrainingError(
            f"hyperparameter compile is true, which needs {' and '.join(lacks)}, and there is none "
            "here: set it to false, or add what is missing to the image"
        )


def sketch(config: Config) -> nn.Module:
    """The network without values, which cost memory and time."""
    with OnPaper():
        return blank(config, classes=2).to("meta")


class OnPaper(TorchFunctionMode):
    """Weights get no memory. `torch.device("meta")` would take it from RegNets' sums too, which
    need theirs."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func is torch.empty:
            options["device"] = "meta"
        return func(*args, **options)


def check_side(network: nn.Module, config: Config, name: str) -> None:
    """Some architectures take one size only, or none below a least one."""
    side = getattr(config, name)
    try:
        with torch.no_grad():
            network.eval()(torch.empty(2, 3, side, side, device="meta"))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise TrainingError(
            f"hyperparameter {name} is {side}, which {config.architecture} cannot take: {error}"
        ) from error


def build(config: Config, classes: int, start: dict[str, Tensor]) -> nn.Module:
    """The network with random values, or with those to start from."""
    network = blank(config, classes)
    if start:
        own = network.state_dict()
        network.load_state_dict({**own, **pretrained.fitting(own, start)})
    return network


def blank(config: Config, classes: int) -> nn.Module:
    options: dict[str, bool] = {}
    if config.architecture in {"googlenet", "inception_v3"}:
        # Their side outputs help only training from random values. Their published weights were
        # learnt on pictures that were normalised otherwise, which the network itself then does.
        options = {"aux_logits": False, "init_weights": config.weights == "none"}
        options["transform_input"] = config.weights != "none"
    network: nn.Module = torchvision.models.get_model(
        config.architecture, weights=None, num_classes=classes, **options
    )
    return network


def split(network: nn.Module) -> tuple[nn.Module, nn.Linear]:
    """The network without its last layer, and that layer; both still parts of the whole one."""
    linear = [name for name, part in network.named_modules() if isinstance(part, nn.Linear)]
    if not linear:
        raise TrainingError(
            "hyperparameter regime is 'head', but the architecture ends in no linear layer: set "
            "regime to full, or take another architecture"
        )
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
    return DistributedDataParallel(torch.compile(network))


def normalise(pictures: Tensor) -> Tensor:
    """uint8 N x H x W x 3 becomes what the network takes: float N x 3 x H x W, channels last."""
    mean, std = constants(pictures.device)
    return ((pictures.float() - mean) / std).permute(0, 3, 1, 2)


@functools.cache
def constants(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation; sent to a GPU for each step, they would make it wait each time."""
    return torch.tensor(MEAN, device=device), torch.tensor(STD, device=device)


def cut_middle(pictures: Pictures, size: int) -> Pictures:
    edge = (pictures.shape[1] - size) // 2
    return pictures[:, edge : edge + size, edge : edge + size]


def cut_at(pictures: Tensor, places: Tensor, size: int) -> Tensor:
    """A square of each picture at the place drawn for it, mirrored where that was drawn."""
    if pictures.is_cuda:
        return gathered(pictures, places.to(pictures.device, non_blocking=True), size)
    # By numpy: torch would share out each of these copies among threads that wait for each other.
    squares = np.empty((len(pictures), size, size, 3), np.uint8)
    drawn = zip(squares, pictures.numpy(), places.T.tolist(), strict=True)
    for square, picture, (top, left, flip) in drawn:
        cut = picture[top : top + size, left : left + size]
        square[:] = cut[:, ::-1] if flip else cut
    return torch.from_numpy(squares)


def gathered(pictures: Tensor, places: Tensor, size: int) -> Tensor:
    """The same squares by one operation for all, where starting many is what takes long."""
    top, left, flip = places[:, :, None]
    steps = torch.arange(size, device=pictures.device)
    down, across = top + steps, left + torch.where(flip > 0, size - 1 - steps, steps)
    which = torch.arange(len(pictures), device=pictures.device)
    return pictures[which[:, None, None], down[:, :, None], across[:, None, :]]
