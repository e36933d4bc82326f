"""All that a run changes, in one object: what is in it is what a checkpoint holds.

The learning rate, the order of the pictures, their cuts and the random numbers of a step follow
from the settings and the number of the step: they need no place of their own.
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainer import checkpoint, pace, paths, recipe
from trainer.config import Config
from trainer.data import Dataset
from trainer.errors import TrainingError
from trainer.journal import report, warn
from trainer.world import World

# Settings that may differ when a run goes on: they do not touch its course.
FREE = {
    "name",
    "processes",
    "restarts",
    "save_steps",
    "save_minutes",
    "keep",
    "quantise",
    "margin",
    "memory",
}


def foresee(config: Config, dataset: Dataset) -> None:
    """Refuse a checkpoint of another run before the pictures are decoded, which can take long."""
    facts = checkpoint.newest_facts(paths.CHECKPOINTS)
    if facts:
        compare(*facts, config, dataset)


def compare(path: Path, facts: dict[str, Any], config: Config, dataset: Dataset) -> None:
    """Hold what a checkpoint says of itself to this run."""
    for name, value in binding(config).items():
        before = facts["settings"].get(name)
        if before != value:
            raise TrainingError(
                f"checkpoint {path} was made with {name} {before}, this run has {name} {value}: "
                f"set it back, or {mend()}"
            )
    if facts["classes"] != dataset.classes:
        raise TrainingError(f"checkpoint {path} was made with other classes: {mend()}")
    if facts.get("pictures") != dataset.digest:
        raise TrainingError(
            f"checkpoint {path} was made with other pictures, more or fewer, with other names or "
            f"of other sizes: train on the same set, or {mend()}"
        )


def binding(config: Config) -> dict[str, Any]:
    return {name: value for name, value in asdict(config).items() if name not in FREE}


def mend() -> str:
    return f"empty {paths.CHECKPOINTS} to start anew"


class State:
    def __init__(
        self,
        network: nn.Module,
        config: Config,
        dataset: Dataset,
        world: World,
        *,
        precision: str = "fp32",
    ) -> None:
        self.network, self.precision = network, precision
        self.config, self.dataset, self.world = config, dataset, world
        self.optimiser = recipe.optimiser(network, config)
        self.average = recipe.Average(network, config.ema)
        self.best: dict[str, Tensor] = {}
        self.step = 0
        self.history: list[dict[str, Any]] = []  # an entry for each epoch that was validated
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=world.device)  # of this epoch
        self.speed: dict[str, float] = {}  # of this epoch, so far
        self.saved_at = time.monotonic()

    def tensors(self) -> dict[str, Tensor]:
        found = {f"network.{n}": v for n, v in self.network.state_dict().items()}
        if self.config.ema:
            found |= {f"average.{n}": v for n, v in self.average.module.state_dict().items()}
        found |= {f"best.{n}": v for n, v in self.best.items()}
        for number, values in self.optimiser.state_dict()["state"].items():
            buffer = values["momentum_buffer"]
            if buffer is not None:
                found[f"momentum.{number}"] = buffer
        return found

    def facts(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "processes": self.world.size,
            "precision": self.precision,
            "loss_sum": float(self.loss_sum),
            "speed": self.speed,
            "history": self.history,
            "classes": self.dataset.classes,
            "pictures": self.dataset.digest,
            "settings": binding(self.config),
        }

    def save(self) -> None:
        """All come here after the same step; rank 0 writes. A full disk costs the checkpoint only:
        the older ones stay."""
        self.saved_at = time.monotonic()
        total = self.world.sum(float(self.loss_sum))[0]
        if self.world.rank:
            return
        try:
            path = checkpoint.write(
                paths.CHECKPOINTS,
                self.tensors(),
                self.facts() | {"loss_sum": total},
                self.config.keep,
            )
        except OSError as error:
            where = f"{paths.CHECKPOINTS}: {error}"
            warn(f"checkpoint of step {self.step} not saved, older ones are kept: {where}")
        else:
            report(self.world, event="checkpoint", step=self.step, file=str(path))

    def resume(self) -> None:
        """Go on from the newest whole checkpoint that any process can see, if there is one."""
        own = self.world.together(self.newest) if self.world.local_rank == 0 else None
        if self.world.local_rank:
            self.world.together(lambda: None)
        steps = self.world.gather(own.step if own else -1)
        if max(steps) < 0:
            return
        source = steps.index(max(steps))
        told = self.world.gather(
            [own.facts, sorted(own.tensors)] if own and self.world.rank == source else None
        )
        facts, names = told[source]
        if self.world.rank == source:
            assert own is not None  # noqa: S101 - its step was the highest
            tensors = own.tensors
        else:
            tensors = self.room_for(names)
        tensors = {name: value.to(self.world.device) for name, value in tensors.items()}
        self.world.spread(tensors, source)
        self.take(tensors, facts)
        report(self.world, event="resumed", step=self.step, epochs=len(self.history))

    def newest(self) -> checkpoint.Checkpoint | None:
        """What this machine has, held to the settings of this run before anything is taken."""
        for each in checkpoint.whole_ones(paths.CHECKPOINTS, warn):
            self.compare(each)
            return each
        return None

    def compare(self, other: checkpoint.Checkpoint) -> None:
        compare(other.path, other.facts, self.config, self.dataset)
        for name, value in self.network.state_dict().items():
            saved = other.tensors.get(f"network.{name}")
            if saved is None or saved.shape != value.shape:
                raise TrainingError(f"checkpoint {other.path} lacks {name} as it is here: {mend()}")

    def room_for(self, names: list[str]) -> dict[str, Tensor]:
        """Empty tensors of the shapes that a checkpoint with these names has."""
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        shapes = {
            f"{kind}.{name}": value
            for kind in ("network", "average", "best")
            for name, value in self.network.state_dict().items()
        } | {f"momentum.{number}": value for number, value in enumerate(parameters)}
        # Contiguous, as they come from the file: a broadcast copies memory, whatever the strides.
        return {n: torch.empty(shapes[n].shape, dtype=shapes[n].dtype) for n in names}

    def take(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        parts: dict[str, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            parts.setdefault(kind, {})[rest] = value
        self.network.load_state_dict(parts["network"])
        if self.config.ema:
            self.average.module.load_state_dict(parts["average"])
        self.best = parts.get("best", {})
        full = self.optimiser.state_dict()
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        full["state"] = {
            # Laid out in memory as it was: arithmetic over other strides rounds otherwise.
            int(number): {"momentum_buffer": torch.empty_like(parameters[int(number)]).copy_(value)}
            for number, value in parts.get("momentum", {}).items()
        }
        self.optimiser.load_state_dict(full)
        self.step, self.history, self.speed = facts["step"], facts["history"], facts["speed"]
        self.loss_sum.fill_(facts["loss_sum"] if self.world.rank == 0 else 0.0)
        if self.world.rank:
            return
        if facts["processes"] != self.world.size:
            warn(self.what_differs(facts["processes"]))
        if facts["precision"] != self.precision:
            warn(
                f"the checkpoint was made in {facts['precision']}, this machine goes on in "
                f"{self.precision}, so that the result will be another; hyperparameter precision "
                "says which"
            )

    def what_differs(self, processes: int) -> str:
        """From the run with so many processes that the checkpoint is of."""
        total = len(self.dataset.splits["train"])
        within = self.step % pace.steps_of(total, self.config.batch)
        rest = ", and the rest of this epoch may repeat or miss some pictures" if within else ""
        return (
            f"the checkpoint was made by {processes} processes, now there are {self.world.size}: "
            "from the same order of an epoch other pictures meet in a step, so that the result "
            f"will be another{rest}"
        )

    def remember(self, entry: dict[str, Any]) -> None:
        """Close an epoch with what validation said of it."""
        self.history.append(entry)
        self.loss_sum.zero_()
        if self.config.patience and self.since_best() == 0:
            judged = self.average.module.state_dict()
            self.best = {name: value.clone() for name, value in judged.items()}

    def since_best(self) -> int:
        """Epochs since the best one so far, which is the first of equals."""
        accuracies = [entry["valid_accuracy"] for entry in self.history]
        return len(accuracies) - 1 - accuracies.index(max(accuracies))

    def finished(self) -> bool:
        tired = self.config.patience and self.history and self.since_best() >= self.config.patience
        return len(self.history) == self.config.epochs or bool(tired)

    def outcome(self) -> dict[str, Tensor]:
        """The weights that the run ends with."""
        return self.best or self.average.module.state_dict()
