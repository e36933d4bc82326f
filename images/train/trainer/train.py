"""One process of a training run; `trainer.launch` starts as many as there are to be.

    KENNEL_ML_ROOT=/tmp/ml python -m trainer train     two processes where hyperparameters say so
    docker run -v /tmp/ml:/opt/ml kennel-train train   the same in the image, as SageMaker starts it

A world of one process is the same code: its share of the pictures is all of them.
"""

import json
import sys
import time
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from trainer import artifact, data, failure, model, paths
from trainer.config import Config


@dataclass(frozen=True)
class World:
    rank: int
    size: int

    def sum(self, *values: float) -> list[float]:
        """Each value summed over all processes; a point where they wait for each other."""
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        return total.tolist()


def run(config: Config) -> None:
    dist.init_process_group("gloo")
    world = World(dist.get_rank(), dist.get_world_size())
    dataset = data.read_folder(paths.DATA)
    torch.manual_seed(config.seed)
    network = model.build(config, len(dataset.classes)).to(memory_format=torch.channels_last)

    # Decoded once, by each process its own share.
    began = time.monotonic()
    share = {s: data.shard(dataset.splits[s], world.rank, world.size) for s in data.SPLITS}
    train_pictures, train_labels = load(share["train"], config.resize)
    valid_pictures, valid_labels = load(share["valid"], config.resize)
    report(world, event="decoded", seconds=round(time.monotonic() - began, 1))

    # Every process makes the same number of steps: the batches of a share are its near-equal parts.
    counts = data.share_sizes(len(dataset.splits["train"]), world.size)
    steps = max(1, len(dataset.splits["train"]) // config.batch)
    batches = data.batch_bounds(counts[world.rank], steps)
    over_all = [
        sum(stop - start for start, stop in parts)
        for parts in zip(*(data.batch_bounds(count, steps) for count in counts), strict=True)
    ]

    parallel = DistributedDataParallel(network)
    optimiser = torch.optim.SGD(
        network.parameters(), config.rate, momentum=0.9, weight_decay=config.decay, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, config.epochs * steps)
    draws = torch.Generator().manual_seed(config.seed * 1000 + world.rank)

    for epoch in range(1, config.epochs + 1):
        began = time.monotonic()
        network.train()
        order = torch.randperm(len(train_labels), generator=draws)
        loss_sum = 0.0
        for (start, stop), count in zip(batches, over_all, strict=True):
            chosen = order[start:stop]
            pictures = model.cut_anywhere(train_pictures[chosen], config.size, draws)
            scores = parallel(model.normalise(pictures))
            loss = cross_entropy(
                scores, train_labels[chosen], label_smoothing=config.smoothing, reduction="sum"
            )
            # DDP takes the mean over processes; this makes it the mean over the step's pictures.
            (loss * world.size / count).backward()
            optimiser.step()
            optimiser.zero_grad()
            schedule.step()
            loss_sum += loss.item()
        seconds = time.monotonic() - began
        correct = count_correct(network, valid_pictures, valid_labels, config.size)
        loss_all, correct_all = world.sum(loss_sum, correct)
        report(
            world,
            event="epoch",
            epoch=epoch,
            epochs=config.epochs,
            train_loss=round(loss_all / sum(counts), 4),
            valid_accuracy=round(correct_all / len(dataset.splits["valid"]), 4),
            images_per_second=round(sum(counts) / seconds, 1),
        )

    if world.rank == 0:  # the others wait at the barrier
        network.eval()
        fingerprint = dataset.fingerprint(paths.DATA)
        test = dataset.splits["test"]
        manifest = artifact.write(paths.MODEL, network, config, dataset.classes, fingerprint, test)
        report(world, event="artifact", version=manifest["version"], metrics=manifest["metrics"])
    dist.barrier()
    dist.destroy_process_group()


def load(samples: list[data.Sample], resize: int) -> tuple[Tensor, Tensor]:
    pictures, labels = data.load_all(samples, resize)
    return torch.from_numpy(pictures), torch.from_numpy(labels)


@torch.inference_mode()
def count_correct(network: nn.Module, pictures: Tensor, labels: Tensor, size: int) -> int:
    network.eval()
    correct = 0
    for start in range(0, len(labels), 64):
        squares = model.cut_middle(pictures[start : start + 64], size)
        answers = network(model.normalise(squares)).argmax(1)
        correct += int((answers == labels[start : start + 64]).sum())
    return correct


def report(world: World, **values: object) -> None:
    """One line for people and for SageMaker's metric expressions, one in metrics.jsonl."""
    if world.rank:
        return
    print(" ".join(f"{name}={value}" for name, value in values.items()), flush=True)
    paths.METRICS.parent.mkdir(parents=True, exist_ok=True)
    with paths.METRICS.open("a") as file:
        file.write(json.dumps(values) + "\n")


if __name__ == "__main__":
    sys.exit(failure.recorded(lambda: run(Config.read(paths.HYPERPARAMETERS))))
