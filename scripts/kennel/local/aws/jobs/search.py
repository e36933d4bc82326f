"""Which hyperparameters to try next: SageMaker's strategies by Optuna's samplers and pruners."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

from kennel.local.aws.joblog import usable

COMPARED = 3  # jobs that early stopping must have seen to the end before it stops one
WIDE = 100  # maximum by minimum from which Auto takes a range as logarithmic

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Range:
    """One hyperparameter: where Optuna looks, and how what it finds is passed to the job."""

    name: str
    distribution: BaseDistribution
    shown: Callable[[Any], str] = str
    read: Callable[[str], Any] = str


class Search:
    """Gives out hyperparameters and takes in what they led to."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._ranges = list(ranges_of(config.get("ParameterRanges") or {}))
        objective = config["HyperParameterTuningJobObjective"]
        self._study = optuna.create_study(
            study_name="search",  # Hyperband draws from the name; the default is a random one
            direction=objective["Type"].lower(),
            sampler=sampler_of(config),
            pruner=pruner_of(config),
        )
        self._trials: dict[str, Trial] = {}
        self.most = int(config["ResourceLimits"].get("MaxNumberOfTrainingJobs") or 0)
        if config["Strategy"] == "Grid":
            self.most = self._enqueue_all()

    def remember(self, hyperparameters: Mapping[str, str], value: float) -> None:
        """What an earlier search has found, if it lies within the ranges of this one."""
        try:
            params = {each.name: each.read(hyperparameters[each.name]) for each in self._ranges}
            found = {each.name: each.distribution for each in self._ranges}
            trial = optuna.trial.create_trial(params=params, distributions=found, value=value)
        except (KeyError, ValueError):
            return
        self._study.add_trial(trial)

    def ask(self, job: str) -> dict[str, str]:
        """The hyperparameters of a new job."""
        trial = self._study.ask({each.name: each.distribution for each in self._ranges})
        self._trials[job] = trial
        return {each.name: each.shown(trial.params[each.name]) for each in self._ranges}

    def hopeless(self, job: str, values: Sequence[float]) -> bool:
        """Whether a job with these values so far should be stopped."""
        trial = self._trials[job]
        known = len(self._study.trials[trial.number].intermediate_values)
        for step, value in list(enumerate(values, 1))[known:]:
            trial.report(value, step)
            if trial.should_prune():
                return True
        return False

    def tell(self, job: str, value: float | None) -> None:
        """How a job has ended; without a value it has failed."""
        state = TrialState.COMPLETE if usable(value) else TrialState.FAIL
        self._study.tell(self._trials.pop(job), value if usable(value) else None, state)

    def _enqueue_all(self) -> int:
        options = [list(choices(each)) for each in self._ranges]
        count = 0
        for values in itertools.product(*options):
            names = [each.name for each in self._ranges]
            self._study.enqueue_trial(dict(zip(names, values, strict=True)))
            count += 1
        return count


def choices(each: Range) -> Sequence[Any]:
    if not isinstance(each.distribution, CategoricalDistribution):
        raise ValueError(f"Grid search takes categorical ranges only, and {each.name} is none.")
    return each.distribution.choices


def ranges_of(given: Mapping[str, Any]) -> Iterator[Range]:
    for each in given.get("ContinuousParameterRanges") or []:
        yield continuous(each)
    for each in given.get("IntegerParameterRanges") or []:
        low, high = int(each["MinValue"]), int(each["MaxValue"])
        distribution = IntDistribution(low, high, log=is_logarithmic(each, low, high))
        yield Range(each["Name"], distribution, read=int)
    for each in given.get("CategoricalParameterRanges") or []:
        yield Range(each["Name"], CategoricalDistribution(each["Values"]))


def continuous(given: Mapping[str, Any]) -> Range:
    low, high = float(given["MinValue"]), float(given["MaxValue"])
    if given.get("ScalingType") == "ReverseLogarithmic":
        if not 0 <= low < high < 1:
            raise ValueError(f"{given['Name']}: ReverseLogarithmic takes 0 <= x < 1.")
        mirrored = FloatDistribution(1 - high, 1 - low, log=True)
        return Range(given["Name"], mirrored, lambda v: repr(1 - v), lambda text: 1 - float(text))
    distribution = FloatDistribution(low, high, log=is_logarithmic(given, low, high))
    return Range(given["Name"], distribution, repr, float)


def is_logarithmic(given: Mapping[str, Any], low: float, high: float) -> bool:
    kind = given.get("ScalingType", "Auto")
    if kind == "ReverseLogarithmic":
        raise ValueError(f"{given['Name']}: ReverseLogarithmic is for continuous ranges.")
    if kind == "Logarithmic" and low <= 0:
        raise ValueError(f"{given['Name']}: Logarithmic takes values above 0.")
    return bool(kind == "Logarithmic" or (kind == "Auto" and low > 0 and high / low >= WIDE))


def sampler_of(config: Mapping[str, Any]) -> BaseSampler:
    seed = config.get("RandomSeed")
    if config["Strategy"] in ("Random", "Grid"):
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed, n_startup_trials=4, constant_liar=True)


def pruner_of(config: Mapping[str, Any]) -> BasePruner:
    if config["Strategy"] == "Hyperband":
        given = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
        least, most = int(given.get("MinResource", 1)), int(given.get("MaxResource", 27))
        return HyperbandPruner(min_resource=least, max_resource=most, reduction_factor=3)
    if config.get("TrainingJobEarlyStoppingType") == "Auto":
        return MedianPruner(n_startup_trials=COMPARED)
    return NopPruner()
