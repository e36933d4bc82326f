"""The trainer under a launcher that is not its own: plain torchrun, on two nodes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import free_port

pytestmark = pytest.mark.long
MlRoot = Callable[..., Path]


def test_two_nodes_under_torchrun_end_as_two_processes_of_one_launcher(
    ml_root: MlRoot, trained: Path
) -> None:
    roots = [ml_root(), ml_root()]
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    command += ["--max-restarts=3", "--rdzv-id=r-1", "--rdzv-backend=c10d"]
    command += [f"--rdzv-endpoint=127.0.0.1:{free_port()}", "-m", "trainer", "train"]
    surroundings = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    nodes = [
        subprocess.Popen(
            command,
            env=surroundings | {"KENNEL_ML_ROOT": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for root in roots
    ]
    logs = [node.communicate(timeout=300)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], logs
    (writer,) = [root for root in roots if (root / "model").exists()]
    mine, theirs = (
        json.loads((root / "model/manifest.json").read_text())["files"]
        for root in (writer, trained)
    )
    assert mine == {name: digest for name, digest in theirs.items() if "int8" not in name}
