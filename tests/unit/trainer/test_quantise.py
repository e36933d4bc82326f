"""The graphs of a result."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

IN_ANOTHER_PROCESS = """
import json, sys
from pathlib import Path
from tests.unit.trainer.test_quantise import made
print(json.dumps(made(Path(sys.argv[1]))))
"""


def made(folder: Path) -> dict[str, str]:
    """Digests of the files of a network that is always the same."""
    import numpy as np
    import torch

    from trainer import artifact, graph, quantise

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    ).eval()
    squares = np.random.default_rng(0).integers(256, size=(4, 16, 16, 3), dtype=np.uint8)
    (folder / "openvino").mkdir(parents=True)
    served = graph.serving(network, 16)
    artifact.save(folder, "fp32", served)
    artifact.save(folder, "int8", quantise.quantised(served, squares))
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (folder / "openvino").iterdir()
    }


def test_the_same_weights_give_the_same_bytes_in_either_precision(tmp_path: Path) -> None:
    """In one process, where libraries go on counting the nodes of their graphs, and in another."""
    first = made(tmp_path / "one")
    assert len(first) == 4
    assert made(tmp_path / "two") == first
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, tmp_path / "three"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout.splitlines()[-1]) == first
