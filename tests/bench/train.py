"""What training costs: the data path, the two regimes, a second process, memory.

    python -m tests.bench.train

The last line is one JSON object:
- full_vs_synthetic: images/s of regime full with the real data path, as a share of the same steps
  on one batch that is ready;
- head_speedup: how many times faster five epochs of regime head are, from reading the pictures on,
  than the loop of the reference teams: a frozen ResNet-50 run forward every epoch, pictures by
  PIL from an ImageFolder, batches of 2;
- head_accuracy, baseline_accuracy: on the validation pictures, after those epochs;
- two_process_ratio: images/s of two processes with a thread each, over one process with two;
- peak_mb: the largest memory of a process of the trainer.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLASSES, TRAIN, OTHERS = 4, 24, 6
EPOCHS = 5
FULL = {"architecture": "resnet18", "size": "128", "resize": "144", "batch": "16"}
HEAD = {"architecture": "resnet50", "regime": "head", "views": "1", "size": "224", "resize": "256"}
LIMITS = {"full_vs_synthetic": 0.95, "head_speedup": 10.0, "two_process_ratio": 0.9}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="kennel-bench-") as folder:
        pictures = sample(Path(folder))
        start = backbone(Path(folder))
        results = {
            **measured("full", pictures, start),
            **measured("head", pictures, start),
            **measured("baseline", pictures, start),
        }
        one = trained(Path(folder) / "one", pictures, FULL | {"epochs": "2", "processes": "1"})
        two = trained(Path(folder) / "two", pictures, FULL | {"epochs": "2", "processes": "2"})
    results["two_process_ratio"] = round(two["speed"] / one["speed"], 3)
    results["peak_mb"] = round(max(one["peak_mb"], two["peak_mb"], results["peak_mb"]))
    results["head_speedup"] = round(results["baseline_seconds"] / results["head_seconds"], 1)
    for name, limit in LIMITS.items():
        verdict = "holds" if results[name] >= limit else "MISSED"
        print(f"{name:20} {results[name]:8.3f}   at least {limit}: {verdict}")
    print(json.dumps(results))
    return 0


def sample(folder: Path) -> Path:
    target = folder / "pictures"
    command = [sys.executable, "-m", "kennel", "data", "sample", str(target)]
    command += [f"--classes={CLASSES}", f"--train={TRAIN}", f"--valid={OTHERS}", f"--test={OTHERS}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return target


def backbone(folder: Path) -> Path:
    """One ResNet-50 for both sides. Its values are random: nothing has to be downloaded, and what
    is compared, time and accuracy of the same features, does not ask for better ones."""
    import torch
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = folder / "resnet50.safetensors"
    save_file(torchvision.models.resnet50(num_classes=CLASSES).state_dict(), path)
    return path


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
    subprocess.run(
        [sys.executable, "-m", "trainer", "train"],
        env={**os.environ, "KENNEL_ML_ROOT": str(root)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    lines = map(json.loads, (root / "output/data/metrics.jsonl").read_text().splitlines())
    speeds = [line["images_per_second"] for line in lines if line["event"] == "epoch"]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"speed": max(speeds), "peak_mb": peak}


def alone(pictures: Path, settings: dict[str, str], start: Path | None = None) -> Path:
    """This process becomes a world of one."""
    root = layout(Path(tempfile.mkdtemp()), pictures, settings, start)
    os.environ |= {"KENNEL_ML_ROOT": str(root), "RANK": "0", "WORLD_SIZE": "1"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    return root


def full(pictures: Path, _: Path) -> dict[str, float]:
    """Steps with the real data path and steps on a batch that is ready, in turn."""
    root = alone(pictures, FULL)
    import torch
    from torch.nn.parallel import DistributedDataParallel

    from trainer import pace, train, views
    from trainer.config import Config
    from trainer.job import prepare
    from trainer.state import State
    from trainer.world import World

    config = Config.read(root / "input/config/hyperparameters.json")
    job = prepare(config, World.join())
    parallel = DistributedDataParallel(job.network)
    train.rehearse(parallel, job)
    state = State(job.network, config, job.library.dataset.classes, job.world)
    rows = views.order(job.train, job.world, config.seed, 0)[: config.batch]
    ready = job.seen.of_train(rows)
    of_train = job.seen.of_train
    seconds: dict[str, list[float]] = {"real": [], "ready": []}
    for _ in range(15):
        for kind, source in (("real", of_train), ("ready", lambda _: ready)):
            job.seen.of_train = source  # type: ignore[method-assign]
            began = time.perf_counter()
            train.gradients(job, parallel, rows, len(rows), pace.Clock())
            state.optimiser.step()
            state.optimiser.zero_grad()
            seconds[kind].append(time.perf_counter() - began)
    job.world.leave()
    assert torch.isfinite(next(iter(job.network.parameters()))).all()
    # The fastest of each: other work on the machine only ever slows a step down.
    ratio = min(seconds["ready"]) / min(seconds["real"])
    return {"full_vs_synthetic": round(ratio, 3), "peak_mb": peak()}


def head(pictures: Path, start: Path) -> dict[str, float]:
    """Regime head from reading the pictures to the last epoch; imports are not counted."""
    settings = HEAD | {"weights": "channel", "epochs": str(EPOCHS), "batch": "8", "rate": "0.01"}
    root = alone(pictures, settings, start)
    from torch.nn.parallel import DistributedDataParallel

    from trainer import train
    from trainer.config import Config
    from trainer.job import prepare
    from trainer.state import State
    from trainer.world import Interruption, World

    world = World.join()
    began = time.perf_counter()
    config = Config.read(root / "input/config/hyperparameters.json")
    job = prepare(config, world)
    parallel = DistributedDataParallel(job.network)
    train.rehearse(parallel, job)
    state = State(job.network, config, job.library.dataset.classes, world)
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
    network = models.resnet50(num_classes=CLASSES)
    network.load_state_dict(load_file(start))
    for name, parameter in network.named_parameters():
        parameter.requires_grad = name.startswith("fc.")
    network.eval()
    optimiser = torch.optim.SGD(network.fc.parameters(), lr=0.01, momentum=0.9)
    torch.manual_seed(1)
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
