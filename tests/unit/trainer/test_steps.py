"""Training itself: a step whole or in parts, its rehearsal, a full disk at the end."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest

from kennel.runs.training import METRICS
from trainer.config import Config
from trainer.data import Dataset
from trainer.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.augment import Seen
    from trainer.world import World


class Views:
    """Six pictures of four numbers each; it notes what was asked for at once."""

    def __init__(self) -> None:
        import torch

        self.inputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
        self.asked: list[list[int]] = []

    def of_train(self, rows: "Tensor") -> "Seen":
        from trainer.augment import Seen

        self.asked.append(rows.tolist())
        return Seen(self.inputs[rows], rows % 3)

    def of_valid(self, rows: slice) -> "Tensor":
        return self.inputs[rows]


def job_of(world: "World", precision: str = "fp32", **settings: Any) -> Any:
    """One step of six pictures, for a single layer."""
    import torch

    from trainer import pace

    torch.manual_seed(1)
    return SimpleNamespace(
        config=Config(**settings),
        world=world,
        seen=Views(),
        network=torch.nn.Linear(4, 3),
        bounds=pace.bounds_of(6, 6, world),
        costs=torch.tensor([1.0, 2.0, 0.5]),
        precision=precision,
    )


def test_a_step_in_parts_has_the_gradients_of_the_whole(alone: "World") -> None:
    import torch

    from trainer import model, pace, train

    found = []
    for accumulate in (1, 2, 3):
        job = job_of(alone, accumulate=accumulate)
        parallel = model.parallel(job.network, job.config)
        loss = train.gradients(job, parallel, torch.arange(6), 6, pace.Clock())
        assert [len(rows) for rows in job.seen.asked] == [6 // accumulate] * accumulate
        found.append((loss, job.network.weight.grad, job.network.bias.grad))
    for each in found[1:]:
        torch.testing.assert_close(each, found[0])


def test_the_rehearsal_takes_no_more_memory_than_a_step_and_leaves_nothing(alone: "World") -> None:
    """No more pictures at once, and no wider numbers."""
    import torch

    from trainer import model, train

    job = job_of(alone, "bf16", accumulate=3)
    before = job.network.weight.clone()
    kinds: list[torch.dtype] = []
    job.network.register_forward_hook(lambda _layer, _inputs, scores: kinds.append(scores.dtype))
    train.rehearse(model.parallel(job.network, job.config), job)
    assert job.seen.asked == [[0, 1]]
    assert kinds == [torch.bfloat16]
    assert torch.equal(job.network.weight, before)
    assert job.network.weight.grad is None


@pytest.mark.parametrize("full", ["model", "data"])
def test_a_full_disk_is_named_whatever_was_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    """The model or, beside it, report and evaluation."""
    from trainer import paths, train

    monkeypatch.setattr(paths, "MODEL", tmp_path / "model")
    monkeypatch.setattr(paths, "REPORT", tmp_path / "data/report.html")
    for folder in ("model", "data"):
        (tmp_path / folder).mkdir()
    free = {tmp_path / "model": 1 << 30, tmp_path / "data": 1 << 30, tmp_path / full: 0}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[folder]))
    monkeypatch.setattr(train.page, "write", lambda *_: 1 / 0)
    monkeypatch.setattr(train.artifact, "write", lambda *_: MagicMock())
    job, state = MagicMock(), MagicMock()
    job.world.rank, job.config = 0, Config()
    with pytest.raises(TrainingError, match=f"{full} has no room for the result: give it a larger"):
        train.conclude(job, state, "")
    free[tmp_path / full] = 1 << 30
    with pytest.raises(ZeroDivisionError):
        train.conclude(job, state, "")


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_weights_that_ran_away_end_the_run_by_the_setting_that_can_mend_it(
    alone: "World", loss: float
) -> None:
    from trainer import train

    job, state = judged(alone)
    state.loss_sum.fill_(loss)
    with pytest.raises(TrainingError, match=rf"loss of epoch 1 is {loss}: .* rate, which is 0\.01"):
        train.validate(job, state, lambda: 0)


def test_validation_is_in_the_arithmetic_of_the_steps(alone: "World") -> None:
    import torch

    from trainer import train

    for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        job, state = judged(alone, name)
        kinds = []
        job.network.register_forward_hook(lambda *call, seen=kinds: seen.append(call[2].dtype))
        train.validate(job, state, lambda: 0)
        assert kinds == [kind]


def judged(world: "World", precision: str = "fp32") -> tuple[Any, Any]:
    """A job that can be validated, and its state."""
    import torch

    from trainer.state import State

    job = job_of(world, precision)
    job.steps, job.train, job.valid = 1, SimpleNamespace(total=6), SimpleNamespace(total=6)
    job.valid.labels = torch.arange(6) % 3
    return job, State(job.network, job.config, Dataset(["a", "b"], {"train": []}), world)


def test_cloudwatch_reads_every_number_off_an_epochs_line(
    alone: "World",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The expressions that training and tuning jobs are given, on what the trainer itself says."""
    from trainer import journal, pace, paths, train

    monkeypatch.setattr(paths, "METRICS", tmp_path / "metrics.jsonl")
    job, state = judged(alone)
    state.loss_sum.fill_(7.5)
    clock = pace.Clock()
    found = train.validate(job, state, lambda: 0)
    assert found is not None
    entry = found | clock.values(alone.size)
    journal.report(alone, event="epoch", **entry)
    line = capsys.readouterr().out
    assert entry["train_loss"] == 1.25
    for each in METRICS:
        heard = re.search(each["Regex"], line)
        assert heard, each
        assert float(heard[1]) == entry[each["Name"]]
