"""What training costs: the data path, the two regimes, a second process, memory.

    python -m tests.bench.train

The last line is one JSON object:
- full_vs_synthetic: images/s of regime full with the real data path, as a share of the same steps
  on one batch that is ready: the median over full_pairs pairs of steps, made in turn;
- head_speedup: how many times faster five epochs of regime head are, from reading the pictures on,
  than the loop of the reference teams: a frozen ResNet-50 run forward every epoch, pictures by
  PIL from an ImageFolder, batches of 2; both on the same pictures and the same weights;
- head_accuracy, baseline_accuracy, head_accuracy_gain: on the validation pictures, after those
  epochs, and the one less the other;
- two_process_ratio: images/s of two processes with a thread each, over one process with two; of
  the fastest of the epochs of each;
- peak_mb: the largest memory of a process of the trainer.
"""

import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLASSES, OTHERS = 4, 6  # to measure with, and for the backbone to learn from
TRAIN, VALID, TEST = 64, 16, 1  # pictures of each class
EPOCHS = 5
RATE = 0.001  # of SGD on the features, for both sides
PAIRS = 25  # of steps
FULL = {"architecture": "resnet18", "size": "128", "resize": "144", "batch": "16"}
# The sum of the gradients takes a fixed time a step, whose work is 0.3 of that of a default one.
PARALLEL = FULL | {"batch": "64", "epochs": "3"}
# Small cuts of pictures in their full size: what it learns holds for larger cuts as well.
BACKBONE = {
    "architecture": "resnet50",
    "size": "64",
    "resize": "256",
    "epochs": "12",
    "batch": "16",
    "rate": "0.02",
}
HEAD = {"architecture": "resnet50", "regime": "head", "views": "1", "size": "224", "resize": "256"}
LIMITS = {
    "full_vs_synthetic": 0.95,
    "head_speedup": 10.0,
    "head_accuracy_gain": 0.0,
    "two_process_ratio": 0.9,
}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="kennel-bench-") as folder:
        start = kept_backbone()
        known = start.exists()
        pictures, others = sample(Path(folder), CLASSES if known else CLASSES + OTHERS)
        if not known:
            learn_backbone(Path(folder), others, start)
        results = {
            **measured("full", pictures, start),
            **measured("head", pictures, start),
            **measured("baseline", pictures, start),
        }
        one = trained(Path(folder) / "one", pictures, PARALLEL | {"processes": "1"})
        two = trained(Path(folder) / "two", pictures, PARALLEL | {"processes": "2"})
    results["two_process_ratio"] = round(two["speed"] / one["speed"], 3)
    results["peak_mb"] = round(max(one["peak_mb"], two["peak_mb"], results["peak_mb"]))
    results["head_accuracy_gain"] = round(
        results["head_accuracy"] - results["baseline_accuracy"], 4
    )
    results["head_speedup"] = round(results["baseline_seconds"] / results["head_seconds"], 1)
    for name, limit in LIMITS.items():
        verdict = "holds" if results[name] >= limit else "MISSED"
        print(f"{name:20} {results[name]:8.3f}   at least {limit}: {verdict}")
    print(json.dumps(results))
    return 0


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


def measured(kind: str, pictures: Path, start: Path) -> dict[str, float]:
    """One measurement in a process of its own, so that memory and threads are its own too."""
    command = [sys.executable, "-m", "tests.bench.train", kind, str(pictures), str(start)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
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
    largest = peak_of([sys.executable, "-m", "trainer", "train"], KENNEL_ML_ROOT=str(root))
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


def full(pictures: Path, _: Path) -> dict[str, float]:
    """Steps with the real data path and steps on a batch that is ready, in turn."""
    root = alone(pictures, FULL)
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

    def seconds(source: Callable[[Any], Any]) -> float:
        job.seen.of_train = source  # type: ignore[method-assign]
        began = time.perf_counter()
        train.gradients(job, parallel, rows, len(rows), pace.Clock())
        state.optimiser.step()
        state.optimiser.zero_grad()
        return time.perf_counter() - began

    ratios = []
    for pair in range(-3, PAIRS):  # a few to warm up
        if pair % 2:
            real, synthetic = seconds(of_train), seconds(lambda _: ready)
        else:
            synthetic, real = seconds(lambda _: ready), seconds(of_train)
        if pair >= 0:
            ratios.append(synthetic / real)
    job.world.leave()
    return {
        "full_vs_synthetic": round(statistics.median(ratios), 3),
        "full_pairs": PAIRS,
        "peak_mb": peak(),
    }


def head(pictures: Path, start: Path) -> dict[str, float]:
    """Regime head from reading the pictures to the last epoch; imports are not counted."""
    settings = HEAD | {"weights": "channel", "epochs": str(EPOCHS), "batch": "2", "rate": str(RATE)}
    root = alone(pictures, settings, start)
    from trainer import model, train
    from trainer.config import Config
    from trainer.job import prepare
    from trainer.state import State
    from trainer.world import Interruption, World

    world = World.join()
    began = time.perf_counter()
    config = Config.read(root / "input/config/hyperparameters.json")
    job = prepare(config, world)
    parallel = model.parallel(job.network, config)
    train.rehearse(parallel, job)
    state = State(job.network, config, job.library.dataset, world)
    train.train(job, state, parallel, Interruption())
    seconds = time.perf_counter() - began
    accuracy = state.history[-1]["valid_accuracy"]
    world.leave()
    return {"head_seconds": round(seconds, 2), "head_accuracy": accuracy}


def baseline(pictures: Path, start: Path) -> dict[str, float]:
    """The loop that the reference teams run: nothing is kept from one epoch to the next."""
    import torch
    from safetensors.torch import load_file
    from torch.utils.data import DataLoader
    from torchvision import datasets, models, transforms

    steps = [
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
    cut = [transforms.Resize(256), transforms.RandomCrop(224), transforms.RandomHorizontalFlip()]
    middle = [transforms.Resize(256), transforms.CenterCrop(224)]
    began = time.perf_counter()
    learn = datasets.ImageFolder(str(pictures / "train"), transforms.Compose(cut + steps))
    judge = datasets.ImageFolder(str(pictures / "valid"), transforms.Compose(middle + steps))
    torch.manual_seed(1)
    network = models.resnet50(num_classes=CLASSES)
    state = {name: value for name, value in load_file(start).items() if not name.startswith("fc.")}
    network.load_state_dict(state, strict=False)
    for name, parameter in network.named_parameters():
        parameter.requires_grad = name.startswith("fc.")
    network.eval()
    optimiser = torch.optim.SGD(network.fc.parameters(), lr=RATE, momentum=0.9)
    correct = 0
    for _ in range(EPOCHS):
        for inputs, labels in DataLoader(learn, batch_size=2, shuffle=True):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network(inputs), labels).backward()
            optimiser.step()
        with torch.no_grad():
            loader = DataLoader(judge, batch_size=2)
            correct = sum(int((network(x).argmax(1) == y).sum()) for x, y in loader)
    seconds = time.perf_counter() - began
    accuracy = round(correct / len(judge), 4)
    return {"baseline_seconds": round(seconds, 2), "baseline_accuracy": accuracy}


def peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        measurement = {"full": full, "head": head, "baseline": baseline}[sys.argv[1]]
        print(json.dumps(measurement(Path(sys.argv[2]), Path(sys.argv[3]))))
        sys.exit(0)
    sys.exit(main())
