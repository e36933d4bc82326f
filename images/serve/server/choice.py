"""Which engine runs the model here, and how precisely: the fastest that all allow.

All are the processor or GPU of this machine, the image, the manifest and the settings.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from server import artifact, cpu, pictures
from server.artifact import Artifact
from server.errors import StartError
from server.pictures import Cut
from server.settings import Settings


class Decoder(Protocol):
    """What makes squares of pictures, before a batch is formed or as one."""

    def read(self, content: bytes) -> Any:
        """Called in the decode pool: what squares takes, or an error for the client."""

    def squares(self, items: Sequence[Any]) -> Any:
        """Pixels N x H x W x 3, as the engine takes them."""


class Engine(Protocol):
    """What runs the network: blocking, called from one thread for each of its streams."""

    precision: str
    queues: bool  # it takes a second call for each stream, and begins it when the first has ended

    def infer(self, batch: Any) -> NDArray[np.float32]:
        """Scores N x C for pixels N x H x W x 3."""


def start(settings: Settings) -> tuple[Artifact, Engine, Decoder]:
    if settings.engine == "torch":
        return with_torch(settings)
    return with_openvino(settings)


def with_openvino(settings: Settings) -> tuple[Artifact, Engine, Decoder]:
    wanted = settings.precision
    int8 = wanted == "int8" or (wanted == "auto" and cpu.has_int8())
    model = artifact.load(settings.model, int8=int8)
    if wanted == "int8" and model.precision != "int8":
        raise StartError(
            "KENNEL_PRECISION is int8, for which this model is not fit: see its report"
        )
    from server.engine import OpenVino  # noqa: PLC0415 - loaded for a model that is whole

    bf16 = wanted == "bf16" or (wanted == "auto" and cpu.has_bf16())
    # What training found of int8 holds with fp32 between its whole numbers.
    engine = OpenVino(model, settings.streams, bf16=bf16 and model.precision != "int8")
    return model, engine, pictures.Decoder(Cut(model.resize, model.size))


def with_torch(settings: Settings) -> tuple[Artifact, Engine, Decoder]:
    if settings.precision == "int8":
        raise StartError("KENNEL_PRECISION is int8, which the torch engine does not have")
    model = artifact.load(settings.model)
    try:
        from server import torch_engine  # noqa: PLC0415 - seconds, and only the gpu image has it
    except ImportError as error:
        raise StartError(f"no torch in this image ({error}): build its target gpu") from error
    engine = torch_engine.Torch(model, settings.precision, settings.most_batch)
    return model, engine, engine.decoder() or pictures.Decoder(Cut(model.resize, model.size))
