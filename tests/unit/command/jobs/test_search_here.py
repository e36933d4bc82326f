"""A search on this machine, with something quick in the trainer's place: Optuna is the real one."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kennel import tune
from kennel.errors import UserError
from kennel.runs.run import RESULTS, Status
from kennel.search import here, kept
from kennel.search.ranges import Plan, Range
from kennel.search.trials import Trial

EPOCHS = 9
RATE = Range("rate", low=0.001, high=1.0, log=True)
REGIME = Range("regime", values=("full", "head"))


class Run:
    """What a trainer leaves: it is the better, the nearer its rate is to 0.1."""

    def __init__(self, name: str) -> None:
        self.name, self.log = name, RESULTS / name / "trainer.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        (self.log.parent / "run.json").write_text("{}")

    def status(self) -> Status:
        return Status("Completed", seconds=1.0)

    def epochs(self, rate: float) -> list[tuple[int, float]]:
        return [(n, round((1 - abs(rate - 0.1)) * n / EPOCHS, 6)) for n in range(1, EPOCHS + 1)]


class Trainer:
    """In the place of `here.one`; at trial number `dies` Ctrl-C comes, once."""

    def __init__(self, dies: int = -1) -> None:
        self.dies, self.started = dies, list[dict[str, str]]()
        self.resumed = list[str]()

    def __call__(
        self,
        _data: Path,
        _settings: Mapping[str, str],
        values: Mapping[str, str],
        _commit: str,
        trial: Any,
        _stop: threading.Event,
        found: kept.Kept,
    ) -> tuple[Run, bool]:
        resume = trial.user_attrs.get("resume", "")
        run = Run(resume or f"trial-{len(self.started)}")
        self.resumed += [resume] if resume else []
        self.started.append(dict(values))
        found.begin(run.name, values)
        if len(self.started) == self.dies:
            raise KeyboardInterrupt
        with run.log.open("w") as log:
            for epoch, reached in run.epochs(float(values["rate"])):
                print(f"event=epoch epoch={epoch} epochs=9 valid_accuracy={reached} x=1", file=log)
                trial.report(reached, epoch)
                if trial.should_prune():
                    return run, True
        return run, False


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Trainer], Trainer]:
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tune, "commit", lambda: "unknown")

    def stand_in(trainer: Trainer) -> Trainer:
        monkeypatch.setattr(here, "one", trainer)
        return trainer

    return stand_in


def plan(strategy: str, **more: Any) -> Plan:
    fixed = {"epochs": str(EPOCHS)}
    return Plan((RATE, REGIME), fixed, strategy, **{"jobs": 12, "parallel": 1, **more})


def search(wanted: Plan) -> dict[str, Any]:
    return tune.on_this_machine(tune.Wish(data="pictures", settings={}), wanted)


Use = Callable[[Trainer], Trainer]


@pytest.mark.parametrize("strategy", ["random", "bayesian", "hyperband"])
def test_a_search_ends_with_its_table_and_its_picture(
    use: Use, capsys: pytest.CaptureFixture[str], strategy: str
) -> None:
    trainer = use(Trainer())
    outcome = search(plan(strategy))
    assert len(trainer.started) == len(outcome["trials"]) == 12
    assert outcome["best"]["state"] == "Completed"
    scores = [each["objective"] for each in outcome["trials"] if each["state"] == "Completed"]
    assert outcome["best"]["objective"] == max(scores)
    states = {each["state"] for each in outcome["trials"]}
    assert "Stopped" in states, "the worse ones end early"
    said = capsys.readouterr().err
    assert said.count("trial-") >= 24, "a line as each ends, and one in the table"
    assert "12 of 12" in said
    page = Path(outcome["picture"]).read_text()
    assert page.count("<path") == 12


@pytest.mark.parametrize("strategy", ["random", "bayesian", "hyperband"])
def test_one_that_was_interrupted_goes_on(
    use: Use, capsys: pytest.CaptureFixture[str], strategy: str
) -> None:
    first = use(Trainer(dies=5))
    with pytest.raises(KeyboardInterrupt):
        search(plan(strategy))
    assert "4 trials are kept" in capsys.readouterr().err
    second = use(Trainer())
    second.started = list(first.started)  # for new names
    outcome = search(plan(strategy))
    assert second.resumed == ["trial-4"]
    assert second.started[5] == first.started[4], "with the values that it had"
    assert len(outcome["trials"]) == 12
    assert len({each["name"] for each in outcome["trials"]}) == 12
    assert len({each["values"]["rate"] for each in outcome["trials"]}) == 12, "none is drawn twice"


def test_a_warm_start_draws_near_what_was_good_before(use: Use) -> None:
    use(Trainer())
    parent = search(plan("bayesian", jobs=30))
    cold = use(Trainer())
    search(plan("bayesian", jobs=6, seed=7))
    warm = use(Trainer())
    outcome = search(plan("bayesian", jobs=6, seed=7, warm_start=(parent["name"],)))
    assert len(outcome["trials"]) == 6, "those of the earlier search are not in its table"

    def distance(trainer: Trainer) -> float:
        return sum(abs(float(each["rate"]) - 0.1) for each in trainer.started[:4])

    assert distance(warm) < distance(cold) / 2


def test_what_this_search_could_not_draw_is_not_learnt_from() -> None:
    def fits(**values: str) -> bool:
        return here.within(plan("bayesian"), Trial("one", "Completed", values, 0.5))

    assert fits(rate="0.1", regime="full")
    assert fits(rate="0.1", regime="full", batch="32")
    assert not fits(rate="2.0", regime="full")
    assert not fits(rate="none", regime="full")
    assert not fits(rate="0.1")
    assert not fits(rate="0.1", regime="other")


def test_a_warm_start_from_what_is_not_there_is_refused_by_name(use: Use) -> None:
    use(Trainer())
    with pytest.raises(UserError, match=r"no search local-tune-x in .kennel/jobs"):
        search(plan("random", warm_start=("local-tune-x",)))
    assert not RESULTS.exists()
