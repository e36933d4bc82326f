"""A network as OpenVINO runs it."""

import warnings

import openvino
import torch
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from openvino.preprocess import PrePostProcessor
from torch import nn

from trainer import model


def converted(network: nn.Module, size: int) -> openvino.Model:
    """As in torch: float N x 3 x H x W in."""
    example = torch.zeros(1, 3, size, size)
    with warnings.catch_warnings():
        # OpenVINO reads torch's traces, which torch has begun to call deprecated.
        warnings.simplefilter("ignore", FutureWarning)
        # Torch would run the network three times more, to see that its trace answers the same.
        once = {"check_trace": False}
        traced = TorchScriptPythonDecoder(network, example_input=example, trace_kwargs=once)
        return openvino.convert_model(traced, example_input=example, input=[-1, 3, size, size])


def serving(network: nn.Module, size: int) -> openvino.Model:
    """As it is served: uint8 N x H x W x 3 in, normalised inside, scores out."""
    steps = PrePostProcessor(converted(network, size))
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    change = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    change.mean(list(model.MEAN)).scale(list(model.STD))
    graph = steps.build()
    make_plain(graph)
    return graph


def make_plain(graph: openvino.Model) -> None:
    """No numbers that run on from graph to graph: the same weights shall give the same bytes."""
    graph.set_friendly_name("model")
    for number, operation in enumerate(graph.get_ordered_ops()):
        if operation.get_type_name() != "Parameter":
            operation.set_friendly_name(f"{operation.get_type_name()}_{number}")
