"""Regime head against the loop that the reference teams run; tests/bench/train.py says what counts.

Each of the functions that are called by name is a process of its own.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.trainer_runs import alone, measured, peak

CLASSES = 4
EPOCHS = 5
SEEDS = (1, 2, 3)
RATE = 0.001  # of SGD on the features, for both sides
HEAD = {
    "architecture": "resnet50",
    "regime": "head",
    "weights": "channel",
    "views": "1",
    "size": "224",
    "resize": "256",
    "epochs": str(EPOCHS),
    "batch": "2",
    "rate": str(RATE),
}


def compared(folder: Path, pictures: Path, start: Path) -> dict[str, Any]:
    """Regime head and the loop, in turn; then how good what each has made is."""
    folder.mkdir()
    kinds = "head", "baseline"
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    largest = 0.0
    for seed in SEEDS:
        for kind in kinds:
            target = folder / f"{kind}-{seed}.safetensors"
            found = measured(__spec__.name, kind, pictures, start, seed, target)
            seconds[kind].append(found["seconds"])
            largest = max(largest, found.get("peak_mb", 0.0))
    accuracies = measured(__spec__.name, "judge", pictures, start, *sorted(folder.iterdir()))
    by_kind = {kind: [accuracies[f"{kind}-{seed}.safetensors"] for seed in SEEDS] for kind in kinds}
    means = {kind: round(statistics.mean(each), 4) for kind, each in by_kind.items()}
    times = {kind: statistics.median(each) for kind, each in seconds.items()}
    return {
        "head_speedup": round(times["baseline"] / times["head"], 1),
        "head_accuracy": means["head"],
        "baseline_accuracy": means["baseline"],
        "head_accuracy_gain": round(means["head"] - means["baseline"], 4),
        "accuracies": by_kind,
        "seconds": seconds,
        "peak_mb": largest,
    }


def head(pictures: Path, start: Path, seed: str, target: Path) -> dict[str, float]:
    """Regime head from reading the pictures to the last epoch; imports are not counted."""
    root = alone(pictures, HEAD | {"seed": seed}, start)
    from safetensors.torch import save_file

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
    largest = peak()
    save_file(state.outcome(), target)
    world.leave()
    return {"seconds": round(seconds, 2), "peak_mb": largest}


def baseline(pictures: Path, start: Path, seed: str, target: Path) -> dict[str, float]:
    """The loop that the reference teams run: nothing is kept from one epoch to the next."""
    import torch
    from safetensors.torch import save_file
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    steps = [
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
    cut = [transforms.Resize(256), transforms.RandomCrop(224), transforms.RandomHorizontalFlip()]
    middle = [transforms.Resize(256), transforms.CenterCrop(224)]
    began = time.perf_counter()
    learn = datasets.ImageFolder(str(pictures / "train"), transforms.Compose(cut + steps))
    judge = datasets.ImageFolder(str(pictures / "valid"), transforms.Compose(middle + steps))
    torch.manual_seed(int(seed))
    network = frozen_network(start)
    optimiser = torch.optim.SGD(network.fc.parameters(), lr=RATE, momentum=0.9)
    for _ in range(EPOCHS):
        for inputs, labels in DataLoader(learn, batch_size=2, shuffle=True):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network(inputs), labels).backward()
            optimiser.step()
        with torch.no_grad():
            loader = DataLoader(judge, batch_size=2)
            sum(int((network(x).argmax(1) == y).sum()) for x, y in loader)
    seconds = time.perf_counter() - began
    save_file(network.fc.state_dict(), target)
    return {"seconds": round(seconds, 2)}


def frozen_network(start: Path) -> Any:
    """But for its last layer, whose values are random."""
    from safetensors.torch import load_file
    from torchvision import models

    network = models.resnet50(num_classes=CLASSES)
    state = {name: value for name, value in load_file(start).items() if not name.startswith("fc.")}
    network.load_state_dict(state, strict=False)
    for name, parameter in network.named_parameters():
        parameter.requires_grad = name.startswith("fc.")
    return network.eval()


def judge(pictures: Path, start: Path, *heads: Path) -> dict[str, float]:
    """How many of the test pictures each last layer gets right, behind the same backbone."""
    import torch
    from safetensors.torch import load_file
    from torchvision.datasets import ImageFolder

    from trainer import data, model

    network = frozen_network(start)
    network.fc = torch.nn.Identity()
    features, labels = [], []
    for path, label in ImageFolder(str(pictures / "test")).samples:
        square = torch.from_numpy(data.load(Path(path), 256).copy())[None]
        with torch.no_grad():
            features.append(network(model.normalise(model.cut_middle(square, 224))))
        labels.append(label)
    seen, true = torch.cat(features), torch.tensor(labels)
    accuracies = {}
    for path in heads:
        layer = load_file(path)
        answers = (seen @ layer["weight"].T + layer["bias"]).argmax(1)
        accuracies[path.name] = round(float((answers == true).float().mean()), 4)
    return accuracies


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["head", pictures, start, seed, target]:
            answer = head(Path(pictures), Path(start), seed, Path(target))
        case ["baseline", pictures, start, seed, target]:
            answer = baseline(Path(pictures), Path(start), seed, Path(target))
        case ["judge", pictures, start, *made]:
            answer = judge(Path(pictures), Path(start), *map(Path, made))
    print(json.dumps(answer))
