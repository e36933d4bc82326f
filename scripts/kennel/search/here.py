"""The same search on this machine, with Optuna in SageMaker's place."""

import logging
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from math import nan
from pathlib import Path
from typing import Any

from kennel.runs import here
from kennel.runs.run import RESULTS
from kennel.search.kept import Kept, earlier
from kennel.search.ranges import OBJECTIVE, Plan, Range
from kennel.search.trials import Trial

LOOK = 0.2  # seconds between looks at a log
EPOCH = re.compile(rf"event=epoch epoch=(\d+) .*{OBJECTIVE}=([0-9.]+)")


def search(
    data: Path, plan: Plan, commit: str, told: Callable[[Trial], None], kept: Kept
) -> list[Trial]:
    """Run the whole search, or what is left of it; `told` hears of each trial that has ended."""
    import optuna  # noqa: PLC0415 - slow, and only here

    optuna.logging.set_verbosity(logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        # Another seed when it goes on, or it would draw once more what it has tried.
        sampler=sampler(optuna, plan, plan.seed + len(kept.ended)),
        pruner=pruner(optuna, plan),
    )
    left = prepare(optuna, study, plan, kept)
    stop = threading.Event()

    def objective(trial: Any) -> float:
        settings = dict(plan.fixed) | {each.name: drawn(trial, each) for each in plan.ranges}
        values = {each.name: settings[each.name] for each in plan.ranges}
        run, pruned = one(data, settings, values, commit, trial, stop, kept)
        found = Trial(
            run.name, "Stopped" if pruned else run.status().state, values,
            score(run), run.status().seconds, run.status().reason,
        )  # fmt: skip
        kept.end(found)
        told(found)
        if pruned:
            raise optuna.TrialPruned
        if found.state != "Completed" or found.objective is None:
            raise TrialFailed(run.status().reason)
        return found.objective

    # In a thread, so that Ctrl-C finds this one, which ends the trials.
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(
                study.optimize, objective, n_trials=left, n_jobs=plan.parallel, catch=(TrialFailed,)
            ).result()
        finally:
            stop.set()
    return kept.ended


def prepare(optuna: Any, study: Any, plan: Plan, kept: Kept) -> int:
    """Tell the study what was tried before, and what it has to try; how many trials are left."""
    for name in plan.warm_start:
        for each in filter(partial(within, plan), earlier(name)):
            study.add_trial(remembered(optuna, plan, each))
    for each in kept.ended:
        study.add_trial(remembered(optuna, plan, each))
    for name, values in kept.begun.items():
        study.enqueue_trial(typed(plan, values), user_attrs={"resume": name})
    if plan.strategy != "grid":
        return plan.jobs - len(kept.ended)
    known = [*(each.values for each in kept.ended), *kept.begun.values()]
    new = [each for each in combinations(plan) if each not in known]
    for values in new:  # Optuna's own grid may try one twice when trials run in parallel
        study.enqueue_trial(values)
    return len(new) + len(kept.begun)


def within(plan: Plan, trial: Trial) -> bool:
    """An earlier search may have had other ranges: only what this one could draw tells it much."""
    for each in plan.ranges:
        value = trial.values.get(each.name)
        if value is None or (each.values and value not in each.values):
            return False
        if not each.values and not each.low <= number(value) <= each.high:
            return False
    return True


def number(text: str) -> float:
    """NaN, which is within nothing, for what was a choice then."""
    try:
        return float(text)
    except ValueError:
        return nan


def remembered(optuna: Any, plan: Plan, trial: Trial) -> Any:
    """A trial that has ended, in Optuna's words, with what its epochs reached."""
    states = optuna.trial.TrialState
    names = {"Completed": states.COMPLETE, "Stopped": states.PRUNED}
    state = names.get(trial.state, states.FAIL) if trial.objective is not None else states.FAIL
    log = RESULTS / trial.name / "trainer.log"
    epochs = EPOCH.findall(log.read_text(errors="replace")) if log.exists() else []
    return optuna.trial.create_trial(
        state=state,
        value=None if state == states.FAIL else trial.objective,
        params=typed(plan, trial.values),
        distributions={each.name: distribution(optuna, each) for each in plan.ranges},
        intermediate_values={int(epoch): float(reached) for epoch, reached in epochs},
    )


class TrialFailed(Exception):
    """One trial; the search goes on."""


def one(
    data: Path,
    settings: Mapping[str, str],
    values: Mapping[str, str],
    commit: str,
    trial: Any,
    stop: threading.Event,
    kept: Kept,
) -> tuple[here.LocalRun, bool]:
    """A trainer from start to end, or until it is worse than the others were."""
    resume, told = trial.user_attrs.get("resume", ""), set()
    with here.started(data, settings, commit=commit, about="trial", resume=resume) as run:
        kept.begin(run.name, values)
        while not run.status().ended:
            for line in run.lines():
                if (found := EPOCH.search(line.text)) and found[1] not in told:
                    told.add(found[1])
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


def distribution(optuna: Any, each: Range) -> Any:
    """What `drawn` draws from."""
    if each.values:
        return optuna.distributions.CategoricalDistribution(list(each.values))
    if each.whole:
        low, high = round(each.low), round(each.high)
        return optuna.distributions.IntDistribution(low, high, log=each.log)
    return optuna.distributions.FloatDistribution(each.low, each.high, log=each.log)


def typed(plan: Plan, values: Mapping[str, str]) -> dict[str, Any]:
    """What `drawn` has made a text of."""
    kinds = {e.name: str if e.values else int if e.whole else float for e in plan.ranges}
    return {name: kind(values[name]) for name, kind in kinds.items()}


def trials_of(plan: Plan) -> int:
    return len(combinations(plan)) if plan.strategy == "grid" else plan.jobs


def combinations(plan: Plan) -> list[dict[str, str]]:
    names = [each.name for each in plan.ranges]
    values = product(*(each.values for each in plan.ranges))
    return [dict(zip(names, each, strict=True)) for each in values]


def sampler(optuna: Any, plan: Plan, seed: int) -> Any:
    if plan.strategy in ("grid", "random"):
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


def pruner(optuna: Any, plan: Plan) -> Any:
    if plan.strategy == "hyperband":
        most = int(plan.fixed.get("epochs", "10"))
        return optuna.pruners.HyperbandPruner(
            min_resource=plan.fewest_epochs, max_resource=most, reduction_factor=3
        )
    return optuna.pruners.MedianPruner() if plan.early_stopping else optuna.pruners.NopPruner()


def check(plan: Plan) -> None:
    for name in plan.warm_start:
        earlier(name)
