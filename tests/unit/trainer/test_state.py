"""What a run keeps: when it saves, what a full disk costs, which weights it ends with."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from trainer import paths
from trainer.config import Config
from trainer.errors import TrainingError

if TYPE_CHECKING:
    from trainer.state import State
    from trainer.world import World


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "checkpoints")
    monkeypatch.setattr(paths, "METRICS", tmp_path / "data/metrics.jsonl")


def new(world: "World", pictures: int = 4, size: int = 1000, **settings: Any) -> "State":
    """Of a network with one weight; the pictures' files have this size."""
    import torch

    from trainer.data import Dataset
    from trainer.state import State

    names = [f"train/a/{n}.jpg" for n in range(pictures)]
    dataset = Dataset(["a", "b"], {"train": names}, dict.fromkeys(names, size))
    return State(torch.nn.Linear(1, 1, bias=False), Config(**settings), dataset, world)


def epoch(state: "State", weight: float, accuracy: float) -> None:
    """One that leaves this weight, validated as this good."""
    import torch

    with torch.no_grad():
        state.network.weight.fill_(weight)
    state.step += 1
    state.remember({"epoch": len(state.history) + 1, "valid_accuracy": accuracy})


def steps() -> list[int]:
    return [int(path.stem[5:]) for path in sorted(paths.CHECKPOINTS.glob("step-*.json"))]


def test_a_full_disk_costs_the_new_checkpoint_only_and_the_run_goes_on(
    alone: "World", capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer import checkpoint

    monkeypatch.setattr(checkpoint, "clear_unfinished", lambda _: None)
    state = new(alone)
    epoch(state, 1.0, 0.5)
    state.save()
    epoch(state, 2.0, 0.6)
    # A device on which nothing can be written any more, in the place of the temporary file.
    (paths.CHECKPOINTS / ".step-0000000002.safetensors.partial").symlink_to("/dev/full")
    state.save()
    said = capsys.readouterr().out
    assert f"checkpoint of step 2 not saved, older ones are kept: {paths.CHECKPOINTS}: " in said
    assert "No space left on device" in said
    assert steps() == [1]
    epoch(state, 3.0, 0.7)
    state.save()
    assert steps() == [1, 3]
    after = new(alone)
    after.resume()
    assert (after.step, after.network.weight.item()) == (3, 3.0)


def test_it_is_time_to_save_when_the_minutes_have_passed(alone: "World") -> None:
    from trainer.train import wish_of
    from trainer.world import Ballot, Interruption

    interruption = Interruption.__new__(Interruption)  # without its hold on SIGTERM
    interruption.wanted = False
    state = new(alone, save_minutes=2.0)
    assert wish_of(state, interruption) == Ballot.GO
    state.saved_at = time.monotonic() - 121
    assert wish_of(state, interruption) == Ballot.SAVE
    state.save()
    assert wish_of(state, interruption) == Ballot.GO
    never = new(alone, save_minutes=0.0)
    never.saved_at = 0.0
    assert wish_of(never, interruption) == Ballot.GO


@pytest.mark.parametrize("interrupted", [False, True])
def test_early_stopping_ends_with_the_best_weights_the_first_of_equals(
    alone: "World",
    interrupted: bool,  # noqa: FBT001
) -> None:
    state = new(alone, patience=2)
    for weight, accuracy in ((1.0, 0.5), (2.0, 0.7), (3.0, 0.7)):
        assert not state.finished()
        epoch(state, weight, accuracy)
    if interrupted:
        state.save()
        state = new(alone, patience=2)
        state.resume()
    assert not state.finished()
    epoch(state, 4.0, 0.6)
    assert state.finished()
    assert state.outcome()["weight"].item() == 2.0


@pytest.mark.parametrize("patience", [0, 5])
def test_the_average_of_the_weights_is_the_result_where_one_is_kept(
    alone: "World", patience: int
) -> None:
    """Also that of the best epoch, and after a resumption."""
    settings = {"epochs": 2, "ema": 0.9, "patience": patience}
    state = new(alone, **settings)
    for number, accuracy in ((1, 0.9), (2, 0.1)):
        state.average.module.weight.data.fill_(10.0 * number)
        epoch(state, number, accuracy)
    state.save()
    after = new(alone, **settings)
    after.resume()
    for each in (state, after):
        assert each.network.weight.item() == 2.0
        assert each.outcome()["weight"].item() == (10.0 if patience else 20.0)


def test_without_early_stopping_the_last_weights_are_the_result(alone: "World") -> None:
    state = new(alone, epochs=2)
    epoch(state, 1.0, 0.9)
    epoch(state, 2.0, 0.1)
    assert state.finished()
    assert state.outcome()["weight"].item() == 2.0


@pytest.mark.parametrize("change", [{"pictures": 2}, {"pictures": 8}, {"size": 1001}])
def test_a_checkpoint_of_a_set_that_has_changed_is_refused_before_its_pictures_are_read(
    alone: "World", change: dict[str, int]
) -> None:
    """That has grown or shrunk, or whose files are others under the same names."""
    from trainer.state import foresee

    state = new(alone)
    foresee(state.config, state.dataset)  # there is none yet
    epoch(state, 1.0, 0.5)
    state.save()
    foresee(state.config, state.dataset)
    other = new(alone, **change)
    refused = r"step-\d+\.json was made with other pictures, more or fewer, with other names or of"
    with pytest.raises(TrainingError, match=refused):
        foresee(other.config, other.dataset)
    with pytest.raises(TrainingError, match=refused):
        other.resume()


def test_what_a_damaged_checkpoint_says_of_itself_is_left_to_the_one_before(alone: "World") -> None:
    from trainer.state import foresee

    state = new(alone)
    epoch(state, 1.0, 0.5)
    state.save()
    for number, content in enumerate((b"{", b"[]", b'{"format": 0}', b'"format"'), start=2):
        (paths.CHECKPOINTS / f"step-{number:010d}.json").write_bytes(content)
    foresee(state.config, state.dataset)
    with pytest.raises(TrainingError, match=r"step-0000000001\.json was made with rate 0\.01"):
        foresee(replace(state.config, rate=0.5), state.dataset)


@pytest.mark.parametrize(("steps", "rest"), [(1, True), (2, False), (4, False)])
def test_another_number_of_processes_makes_other_steps_and_within_an_epoch_may_miss_pictures(
    alone: "World",
    capsys: pytest.CaptureFixture[str],
    steps: int,
    rest: bool,  # noqa: FBT001
) -> None:
    state = new(replace(alone, size=2), batch=2)  # two steps an epoch
    state.step = steps
    state.save()
    capsys.readouterr()
    new(alone, batch=2).resume()
    said = capsys.readouterr().out
    assert "the checkpoint was made by 2 processes, now there are 1: " in said
    assert "other pictures meet in a step" in said
    assert ("may repeat or miss" in said) == rest


def test_other_arithmetic_than_the_checkpoints_is_told(
    alone: "World", capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine with another processor, where `auto` has chosen."""
    state = new(alone)
    epoch(state, 1.0, 0.5)
    state.save()
    new(alone).resume()
    assert "made in" not in capsys.readouterr().out
    other = new(alone)
    other.precision = "bf16"
    other.resume()
    said = capsys.readouterr().out
    assert "the checkpoint was made in fp32, this machine goes on in bf16" in said


def test_the_speed_of_an_epoch_outlasts_a_stop_before_its_validation_is_done(
    alone: "World",
) -> None:
    state = new(alone)
    state.speed = {"images_per_second": 7.0, "data_share": 0.1}
    state.save()
    after = new(alone)
    after.resume()
    assert after.speed == state.speed


def events() -> list[tuple[str, int]]:
    lines = map(json.loads, paths.METRICS.read_text().splitlines())
    return [(each["event"], each.get("epoch") or each.get("step") or 0) for each in lines]


def test_metrics_go_on_from_the_checkpoint_without_a_line_twice(alone: "World") -> None:
    from trainer import journal

    journal.report(alone, event="pictures")
    history = [{"epoch": 1, "valid_accuracy": 0.5}]
    journal.report(alone, event="epoch", **history[0])
    journal.report(alone, event="checkpoint", step=4)
    journal.report(alone, event="epoch", epoch=2)
    journal.report(alone, event="checkpoint", step=8)
    with paths.METRICS.open("a") as file:
        file.write('{"event": "epo')
    journal.go_on(alone, 4, history)
    assert events() == [("pictures", 0), ("epoch", 1), ("checkpoint", 4)]
    journal.report(alone, event="epoch", epoch=2)
    assert events()[-1] == ("epoch", 2)
    journal.go_on(alone, 0, [])
    assert events() == [("pictures", 0)]


def test_epochs_that_a_lost_machine_has_told_come_from_the_checkpoint(alone: "World") -> None:
    from trainer import journal

    history = [{"epoch": 1, "valid_accuracy": 0.5}, {"epoch": 2, "valid_accuracy": 0.6}]
    journal.report(alone, event="resumed", step=8)
    journal.go_on(alone, 8, history)
    assert events() == [("epoch", 1), ("epoch", 2), ("resumed", 8)]
    assert json.loads(paths.METRICS.read_text().splitlines()[1])["valid_accuracy"] == 0.6
