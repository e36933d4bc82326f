"""The result: weights and serving graphs with a manifest, and nothing in it that can run code."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from trainer import graph, measure, model, quantise
from trainer.config import Config
from trainer.share import Share

SCHEMA_VERSION = 1
WEIGHTS = "model.safetensors"
GRAPHS = {"fp32": "openvino/model.xml", "int8": "openvino/model-int8.xml"}


@dataclass(frozen=True)
class Product:
    """What a run ends with; the report is made of it."""

    manifest: dict[str, Any]
    judgements: dict[str, measure.Judgement]  # by precision


def write(
    folder: Path,
    network: nn.Module,
    config: Config,
    classes: list[str],
    fingerprint: str,
    train: Share,
    test: Share,
) -> Product:
    """Fill the model folder. The test split is looked at here, once by each precision."""
    shutil.rmtree(folder / "openvino", ignore_errors=True)
    (folder / "openvino").mkdir(parents=True)
    plain = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(plain, folder / WEIGHTS)
    graphs = {"fp32": graph.serving(network, config.size)}
    save(folder, "fp32", graphs["fp32"])  # before NNCF leaves its marks in it
    if config.quantise:
        rows = quantise.spread(len(train.pictures))
        squares = model.cut_middle(train.pictures[rows].numpy(), config.size)
        graphs["int8"] = quantise.quantised(graphs["fp32"], squares)
        save(folder, "int8", graphs["int8"])

    judgements = measure.judge(
        {precision: folder / GRAPHS[precision] for precision in graphs},
        squares_of(test, config.size),
        test.labels.numpy(),
    )
    metrics = {precision: each.metrics() for precision, each in judgements.items()}
    if "int8" in metrics:
        metrics["int8"] |= measure.compare(judgements["fp32"], judgements["int8"], config.margin)

    digests = digests_of(folder)
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "name": config.name,
        "version": hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:12],
        "architecture": config.architecture,
        "classes": classes,
        "input": {"size": config.size, "resize": config.resize, "interpolation": "bilinear"},
        "engines": [engine(precision, metrics[precision]) for precision in graphs],
        "metrics": metrics,
        "test_pictures": test.total,
        "data_sha256": fingerprint,
        "git_commit": os.environ.get("KENNEL_GIT_COMMIT", "unknown"),
        "files": digests,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return Product(manifest, judgements)


def save(folder: Path, precision: str, served: openvino.Model) -> None:
    openvino.save_model(served, folder / GRAPHS[precision], compress_to_fp16=False)


def squares_of(test: Share, size: int) -> Iterator[NDArray[np.uint8]]:
    """The middle squares of the test pictures, one after the other."""
    test.pictures.expect(torch.arange(len(test.pictures)))
    for row in range(len(test.pictures)):
        yield model.cut_middle(test.pictures[slice(row, row + 1)].numpy(), size)


def engine(precision: str, metrics: dict[str, Any]) -> dict[str, Any]:
    """Fit to serve is what loses no more than the margin; fp32 is what it is measured by."""
    fit = metrics.get("lost_points", 0.0) <= metrics.get("margin_points", 0.0)
    return {"engine": "openvino", "precision": precision, "file": GRAPHS[precision], "fit": fit}


def digests_of(folder: Path) -> dict[str, str]:
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in files
        if name != "manifest.json"
    }
