"""The weights that training starts from: torchvision's own, or a file's for want of a network."""

from urllib.error import URLError

import torchvision.models
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from trainer import paths
from trainer.config import Config
from trainer.errors import TrainingError

SIDES = ("aux1.", "aux2.", "AuxLogits.")  # outputs that help only training from random values
MEAN = [0.485, 0.456, 0.406]  # of the colours, in almost all of torchvision's recipes
SIDE = 224  # of pictures, for the networks that have a place for each part of one
COUNTER = "num_batches_tracked"  # of batch normalisation; older files lack it


def load(config: Config) -> dict[str, Tensor]:
    """By name; none where training starts from random values."""
    match config.weights:
        case "imagenet":
            return published(config.architecture)
        case "channel":
            return from_channel()
    return {}


def published(architecture: str) -> dict[str, Tensor]:
    """As torchvision itself takes them: some of its files have other names than its networks."""
    check(architecture)
    try:
        network = torchvision.models.get_model(architecture, weights="DEFAULT")
    except (URLError, OSError, RuntimeError) as error:
        url = torchvision.models.get_model_weights(architecture).DEFAULT.url
        raise TrainingError(
            f"hyperparameter weights is 'imagenet', but {url} cannot be downloaded ({error}): "
            "where there is no network, put the weights as a safetensors file in the channel "
            "`pretrained` and set weights to channel"
        ) from error
    return dict(network.state_dict())


def check(architecture: str) -> None:
    """Some were learnt on pictures that our networks never see: those are not fetched."""
    weights = torchvision.models.get_model_weights(architecture).DEFAULT
    if weights.transforms().mean != MEAN:
        raise TrainingError(
            f"hyperparameter weights is 'imagenet', but those of {architecture} were learnt on "
            "pictures that were normalised otherwise: take another architecture, such as "
            "efficientnet_v2_m, or set weights to none"
        )
    side = max(weights.meta["min_size"])
    if architecture.startswith("vit_") and side > SIDE:
        raise TrainingError(
            f"hyperparameter weights is 'imagenet', but those of {architecture} are for pictures "
            f"of {side} px, the network for {SIDE}: take another architecture, or put weights for "
            f"{SIDE} px, if torchvision has some, in the channel `pretrained` and set weights to "
            "channel"
        )


def from_channel() -> dict[str, Tensor]:
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


def fitting(own: dict[str, Tensor], start: dict[str, Tensor]) -> dict[str, Tensor]:
    """What of `start` a network with the weights `own` takes: all but side outputs, and the last
    layer where the classes are others. What else differs belongs to another architecture."""
    fits = {n: v for n, v in start.items() if n in own and v.shape == own[n].shape}
    last = last_layer(own)
    lacks = [n for n in own if n not in fits and not n.startswith(last) and COUNTER not in n]
    strange = [n for n in start if n not in own and not n.startswith(SIDES)]
    if lacks or strange:
        fault = f"{lacks[0]} is missing or of another shape" if lacks else f"{strange[0]} is more"
        raise TrainingError(
            f"the pretrained weights belong to an architecture other than the hyperparameter "
            f"architecture says: {fault}"
        )
    return fits


def left_out(start: dict[str, Tensor], taken: dict[str, Tensor]) -> str:
    """For the log: side outputs by their first name, else each by its own."""
    names = [name for name in start if name not in taken]
    short = (name.split(".")[0] if name.startswith(SIDES) else name for name in names)
    return ",".join(dict.fromkeys(short)) or "none"


def last_layer(names: dict[str, Tensor]) -> str:
    """Every classifier of torchvision ends with the one layer that depends on the classes."""
    return list(names)[-1].rpartition(".")[0] + "."
