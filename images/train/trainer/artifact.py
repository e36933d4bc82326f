"""The result: weights and serving graph with a manifest, and nothing in it that can run code."""

import hashlib
import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from openvino.preprocess import PrePostProcessor
from safetensors.torch import save_file
from torch import nn

from trainer import data, model
from trainer.config import Config

SCHEMA_VERSION = 1
WEIGHTS = "model.safetensors"
GRAPH = "openvino/model.xml"


def write(
    folder: Path,
    network: nn.Module,
    config: Config,
    classes: list[str],
    fingerprint: str,
    test: list[data.Sample],
) -> dict[str, Any]:
    """Fill the model folder and return its manifest. The test split is looked at here, once."""
    shutil.rmtree(folder / "openvino", ignore_errors=True)
    (folder / "openvino").mkdir(parents=True)
    plain = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(plain, folder / WEIGHTS)
    openvino.save_model(serving_graph(network, config.size), folder / GRAPH, compress_to_fp16=False)

    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    digests = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in files
        if name != "manifest.json"
    }
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "name": config.name,
        "version": hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:12],
        "architecture": config.architecture,
        "classes": classes,
        "input": {"size": config.size, "resize": config.resize, "interpolation": "bilinear"},
        "engines": [{"engine": "openvino", "precision": "fp32", "file": GRAPH}],
        "metrics": {"fp32": {"test_accuracy": accuracy(folder / GRAPH, config, test)}},
        "test_pictures": len(test),
        "data_sha256": fingerprint,
        "git_commit": os.environ.get("KENNEL_GIT_COMMIT", "unknown"),
        "files": digests,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest


def serving_graph(network: nn.Module, size: int) -> openvino.Model:
    """The network as OpenVINO runs it: uint8 N x H x W x 3 in, normalised inside, scores out."""
    example = torch.zeros(1, 3, size, size)
    with warnings.catch_warnings():
        # OpenVINO reads torch's traces, which torch has begun to call deprecated.
        warnings.simplefilter("ignore", FutureWarning)
        graph = openvino.convert_model(network, example_input=example, input=[-1, 3, size, size])
    steps = PrePostProcessor(graph)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    change = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    change.mean(list(model.MEAN)).scale(list(model.STD))
    return steps.build()


def accuracy(graph: Path, config: Config, test: list[data.Sample]) -> float:
    """The share of test pictures that the graph, as it will be served, gets right."""
    compiled = openvino.Core().compile_model(graph, "CPU")
    correct = 0
    for path, label in test:
        square = model.cut_middle(data.load(path, config.resize)[None], config.size)
        scores = compiled(square)[0]
        correct += int(np.argmax(scores) == label)
    return round(correct / len(test), 4)
