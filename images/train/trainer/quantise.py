"""The graph in whole numbers of 8 bits: half the memory, several times the speed on most CPUs."""

import contextlib
import io

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.graph import make_plain

MOST = 128  # pictures to learn the range of values from; more change nothing that one can measure


def spread(count: int) -> Tensor:
    """Rows of so many training pictures, from all over them."""
    return torch.arange(count)[:: max(1, count // MOST)][:MOST]


def quantised(graph: openvino.Model, squares: NDArray[np.uint8]) -> openvino.Model:
    """The graph at int8, its ranges from training pictures: post-training quantisation by NNCF."""
    import nncf  # type: ignore[import-untyped,unused-ignore] # noqa: PLC0415 - takes seconds; only runs that want int8 wait for it

    with contextlib.redirect_stdout(io.StringIO()):  # progress bars
        result: openvino.Model = nncf.quantize(
            graph,
            nncf.Dataset([square[None] for square in squares]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(squares),
        )
    make_plain(result)
    if result.has_rt_info("nncf"):
        del result.rt_info["nncf"]  # notes of the tool
    return result
