"""What the benches of the trainer share: its folders, its runs, a measurement a process."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def measured(module: str, kind: str, *arguments: object, gpu: bool = False) -> dict[str, Any]:
    """One measurement in a process of its own, so that memory and threads are its own too."""
    command = [sys.executable, "-m", module, kind, *map(str, arguments)]
    hidden = {} if gpu else {"CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | hidden
    )
    answer: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    print(f"{kind}: {answer}", flush=True)
    return answer


def layout(root: Path, pictures: Path, settings: dict[str, str], start: Path | None = None) -> Path:
    """SageMaker's folders, as the trainer reads them."""
    (root / "input/config").mkdir(parents=True)
    (root / "input/config/hyperparameters.json").write_text(json.dumps(settings))
    (root / "input/data").mkdir()
    (root / "input/data/training").symlink_to(pictures)
    if start:
        (root / "input/data/pretrained").mkdir()
        (root / "input/data/pretrained/start.safetensors").symlink_to(start)
    return root


def trained(root: Path, pictures: Path, settings: dict[str, str]) -> dict[str, float]:
    """A real run; its speed is that of its fastest epoch."""
    layout(root, pictures, settings | {"quantise": "false", "save_minutes": "0"})
    largest = peak_of(
        [sys.executable, "-m", "trainer", "train"],
        KENNEL_ML_ROOT=str(root),
        CUDA_VISIBLE_DEVICES="",
    )
    lines = map(json.loads, (root / "output/data/metrics.jsonl").read_text().splitlines())
    speeds = [line["images_per_second"] for line in lines if line["event"] == "epoch"]
    return {"speed": max(speeds), "peak_mb": largest}


def peak_of(command: list[str], **environment: str) -> float:
    """Of the largest of its processes, in MB, if this one is small, whose memory Linux counts too;
    RUSAGE_CHILDREN would be of all that ran before."""
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_maxrss / 1024


def alone(pictures: Path, settings: dict[str, str], start: Path | None = None) -> Path:
    """This process becomes a world of one."""
    root = layout(Path(tempfile.mkdtemp()), pictures, settings, start)
    os.environ |= {"KENNEL_ML_ROOT": str(root), "RANK": "0", "WORLD_SIZE": "1"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    return root


def peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
