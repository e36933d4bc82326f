"""What training costs: the data path, the two regimes, a second process, memory.

    python -m tests.bench.train          all of it, on the CPU; and `gpu`, where there is one
    python -m tests.bench.train gpu      that alone

The last line is one JSON object:
- full_vs_synthetic: images/s of regime full with the real data path, as a share of the same steps
  on one batch that is ready: the median over `pairs` pairs of steps, made in turn;
- head_speedup: how many times faster five epochs of regime head are, from reading the pictures on,
  than the loop of the reference teams: a frozen ResNet-50 run forward every epoch, pictures by
  PIL from an ImageFolder, batches of 2; both on the same pictures and the same weights, in turn,
  with several seeds; of the median seconds;
- head_accuracy, baseline_accuracy, head_accuracy_gain: on the test pictures, which neither has
  seen, the mean over those runs, and the one less the other; accuracies has all of them;
- two_process_ratio: images/s of two processes with a thread each, over one process with two; of
  the fastest of the epochs of each;
- peak_mb: the largest memory of a process of the trainer;
- gpu: ResNet-50 at 224 px, from pictures in the GPU's memory: images/s, the share of steps on a
  batch that is ready, teraflops a second, and their share of what a product of large matrices
  reaches on the same device in the same precision.

Its first run trains the backbone, which takes 6 minutes where the processor is fast at bf16.
"""

import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import heads
from tests.bench.trainer_runs import alone, measured, peak, trained

CLASSES, OTHERS = heads.CLASSES, 12  # to measure with, and for the backbone to learn from
TRAIN, VALID, TEST = 64, 16, 50  # pictures of each class
PAIRS = 25  # of steps
SIDE = 4096  # of the matrices that show how fast a device is
STEPS = {
    "cpu": {"architecture": "resnet18", "size": "128", "resize": "144", "batch": "16"},
    "gpu": {"architecture": "resnet50", "size": "224", "resize": "256", "batch": "256"},
}
# The sum of the gradients takes a fixed time a step, whose work is 0.3 of that of a default one.
PARALLEL = STEPS["cpu"] | {"batch": "64", "epochs": "3"}
# At 64 px, some pictures at 224 would make it answer with numbers a hundred times too large.
BACKBONE = {
    "architecture": "resnet50",
    "size": "128",
    "resize": "144",
    "epochs": "10",
    "batch": "16",
    "rate": "0.02",
}
LIMITS = {
    "full_vs_synthetic": 0.95,
    "head_speedup": 10.0,
    "head_accuracy_gain": 0.0,
    "two_process_ratio": 0.9,
}
NAME = "tests.bench.train"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="kennel-bench-") as folder:
        start = kept_backbone()
        known = start.exists()
        pictures, others = sample(Path(folder), CLASSES if known else CLASSES + OTHERS)
        if not known:
            learn_backbone(Path(folder), others, start)
        results = measured(NAME, "steps", "cpu", pictures)
        peaks = [results.pop("peak_mb")]
        results |= heads.compared(Path(folder) / "heads", pictures, start)
        one = trained(Path(folder) / "one", pictures, PARALLEL | {"processes": "1"})
        two = trained(Path(folder) / "two", pictures, PARALLEL | {"processes": "2"})
        if has_gpu():
            results["gpu"] = measured(NAME, "steps", "gpu", pictures, gpu=True)
    results["two_process_ratio"] = round(two["speed"] / one["speed"], 3)
    peaks += [each["peak_mb"] for each in (one, two, results)]
    results["peak_mb"] = round(max(peaks))
    for name, limit in LIMITS.items():
        verdict = "holds" if results[name] >= limit else "MISSED"
        print(f"{name:20} {results[name]:8.3f}   at least {limit}: {verdict}")
    print(json.dumps(results))
    return 0


def gpu_alone() -> int:
    if not has_gpu():
        print("torch sees no GPU here", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="kennel-bench-") as folder:
        pictures, _ = sample(Path(folder), CLASSES)
        print(json.dumps({"gpu": measured(NAME, "steps", "gpu", pictures, gpu=True)}))
    return 0


def has_gpu() -> bool:
    import torch  # once all else was measured: this process is to stay small

    return torch.cuda.is_available()


def sample(folder: Path, classes: int) -> tuple[Path, Path]:
    """The set to measure with, and one of whatever other classes are drawn."""
    target = folder / "drawn"
    command = [sys.executable, "-m", "kennel", "data", "sample", str(target)]
    command += [f"--classes={classes}", f"--train={TRAIN}", f"--valid={VALID}", f"--test={TEST}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    sets = folder / "pictures", folder / "others"
    for place, label in enumerate(sorted((target / "train").iterdir())):
        chosen = sets[place >= CLASSES]
        for split in ("train", "valid", "test"):
            (chosen / split).mkdir(parents=True, exist_ok=True)
            (chosen / split / label.name).symlink_to(target / split / label.name)
    return sets


def kept_backbone() -> Path:
    """One ResNet-50 for both sides, trained by the trainer on classes that neither will see. It is
    kept for the next time; nothing has to be downloaded."""
    digest = hashlib.sha256(json.dumps([BACKBONE, TRAIN, OTHERS]).encode()).hexdigest()[:12]
    return Path(f".kennel/bench/backbone-{digest}.safetensors").absolute()


def learn_backbone(folder: Path, others: Path, target: Path) -> None:
    print("training the backbone, once", flush=True)
    trained(folder / "backbone", others, BACKBONE)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "backbone/model/model.safetensors", target)


def steps(where: str, pictures: Path, pairs: int = PAIRS, side: int = SIDE) -> dict[str, Any]:
    """Steps with the real data path and steps on a batch that is ready, in turn."""
    root = alone(pictures, STEPS[where])
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from trainer import model, pace, train, views
    from trainer.config import Config
    from trainer.job import prepare
    from trainer.state import State
    from trainer.world import World

    config = Config.read(root / "input/config/hyperparameters.json")
    job = prepare(config, World.join())
    parallel = model.parallel(job.network, config)
    train.rehearse(parallel, job)
    state = State(job.network, config, job.library.dataset, job.world)
    rows = views.order(job.train, job.world, config.seed, 0)[: config.batch]
    of_train, ready = job.seen.of_train, job.seen.of_train(rows)

    def step(source: Callable[[Any], Any]) -> None:
        job.seen.of_train = source  # type: ignore[assignment,method-assign]
        train.gradients(job, parallel, rows, len(rows), pace.Clock())
        state.optimiser.step()
        state.optimiser.zero_grad()

    def real() -> float:
        return seconds(lambda: step(of_train))

    def synthetic() -> float:
        return seconds(lambda: step(lambda _: ready))

    with FlopCounterMode(display=False) as counter:
        synthetic()
    times = []
    for pair in range(-3, pairs):  # a few to warm up
        took = (real(), synthetic()) if pair % 2 else (synthetic(), real())[::-1]
        if pair >= 0:
            times.append(took)
    median = statistics.median(took for took, _ in times)
    speed = counter.get_total_flops() / median / 1e12
    largest = peak()  # before the matrices, which are not the trainer's
    best = product_speed(job.world.device, side, job.precision)
    job.world.leave()
    on_gpu = job.world.device.type == "cuda"
    return {
        "full_vs_synthetic": round(statistics.median(b / a for a, b in times), 3),
        "pairs": pairs,
        "images_per_second": round(len(rows) / median, 1),
        "precision": job.precision,
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "gigaflops_per_picture": round(counter.get_total_flops() / len(rows) / 1e9, 4),
        "teraflops": round(speed, 3),
        "share_of_product": round(speed / best, 3),
        "peak_mb": largest,
    }


def seconds(action: Callable[[], object]) -> float:
    """Until a GPU has done it too."""
    import torch

    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    began = time.perf_counter()
    action()
    wait()
    return time.perf_counter() - began


def product_speed(device: Any, side: int, precision: str) -> float:
    """Of large matrices, in teraflops a second: the best of ten."""
    import torch

    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    one = torch.randn(side, side, device=device, dtype=kind)
    return 2 * side**3 / min(seconds(lambda: one @ one) for _ in range(10)) / 1e12


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["steps", where, pictures]:
            print(json.dumps(steps(where, Path(pictures))))
        case ["gpu"]:
            sys.exit(gpu_alone())
        case _:
            sys.exit(main())
