"""The same search on this machine, with Optuna in SageMaker's place."""

import logging
import re
import threading
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from kennel.errors import UserError
from kennel.runs import here
from kennel.search.ranges import OBJECTIVE, Plan, Range
from kennel.search.trials import Trial

LOOK = 0.2  # seconds between looks at a log
EPOCH = re.compile(rf"event=epoch epoch=(\d+) .*{OBJECTIVE}=([0-9.]+)")


def search(
    data: Path, plan: Plan, commit: str, told: Callable[[Trial], None], about: str
) -> list[Trial]:
    """Run the whole search; `told` hears of each trial that has ended."""
    import optuna  # noqa: PLC0415 - slow, and only here

    optuna.logging.set_verbosity(logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=sampler(optuna, plan), pruner=pruner(optuna, plan)
    )
    grid = combinations(plan) if plan.strategy == "grid" else []
    for each in grid:  # Optuna's own grid may try one twice when trials run in parallel
        study.enqueue_trial(each)
    ended: list[Trial] = []
    stop = threading.Event()

    def objective(trial: Any) -> float:
        settings = dict(plan.fixed) | {each.name: drawn(trial, each) for each in plan.ranges}
        values = {each.name: settings[each.name] for each in plan.ranges}
        run, pruned = one(data, settings, commit, about, trial, stop)
        found = Trial(
            run.name, "Stopped" if pruned else run.status().state, values,
            score(run), run.status().seconds,
        )  # fmt: skip
        ended.append(found)
        told(found)
        if pruned:
            raise optuna.TrialPruned
        if found.state != "Completed" or found.objective is None:
            raise TrialFailed(run.status().reason)
        return found.objective

    try:
        study.optimize(
            objective,
            n_trials=len(grid) or plan.jobs,
            n_jobs=plan.parallel,
            catch=(TrialFailed,),
        )
    finally:
        stop.set()
    return ended


class TrialFailed(Exception):
    """One trial; the search goes on."""


def one(
    data: Path,
    settings: Mapping[str, str],
    commit: str,
    about: str,
    trial: Any,
    stop: threading.Event,
) -> tuple[here.LocalRun, bool]:
    """A trainer from start to end, or until it is worse than the others were."""
    with here.started(data, settings, commit=commit, about=about) as run:
        while not run.status().ended:
            for line in run.lines():
                if found := EPOCH.search(line.text):
                    trial.report(float(found[2]), int(found[1]))
            if trial.should_prune():
                return run, True
            if stop.wait(LOOK):
                raise KeyboardInterrupt
        return run, False


def score(run: here.LocalRun) -> float | None:
    found = EPOCH.findall(run.log.read_text(errors="replace"))
    return float(found[-1][1]) if found else None


def drawn(trial: Any, each: Range) -> str:
    if each.values:
        return str(trial.suggest_categorical(each.name, list(each.values)))
    if each.whole:
        return str(trial.suggest_int(each.name, round(each.low), round(each.high), log=each.log))
    return repr(float(trial.suggest_float(each.name, each.low, each.high, log=each.log)))


def combinations(plan: Plan) -> list[dict[str, str]]:
    names = [each.name for each in plan.ranges]
    values = product(*(each.values for each in plan.ranges))
    return [dict(zip(names, each, strict=True)) for each in values]


def sampler(optuna: Any, plan: Plan) -> Any:
    if plan.strategy in ("grid", "random"):
        return optuna.samplers.RandomSampler(seed=plan.seed)
    return optuna.samplers.TPESampler(seed=plan.seed)


def pruner(optuna: Any, plan: Plan) -> Any:
    if plan.strategy == "hyperband":
        most = int(plan.fixed.get("epochs", "10"))
        return optuna.pruners.HyperbandPruner(
            min_resource=plan.fewest_epochs, max_resource=most, reduction_factor=3
        )
    return optuna.pruners.MedianPruner() if plan.early_stopping else optuna.pruners.NopPruner()


def check(plan: Plan) -> None:
    if plan.warm_start:
        raise UserError(
            "warm_start needs tuning jobs of SageMaker: leave it out with --where local"
        )
