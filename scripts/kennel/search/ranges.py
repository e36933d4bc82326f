"""What is searched, and how: the YAML file that `kennel tune` takes.

strategy: bayesian          # or random, grid, hyperband
jobs: 12                    # at most; grid tries all there is
parallel: 3
early_stopping: true        # end a job that is worse than most were at the same epoch
seed: 1
ranges:
  rate: {from: 0.001, to: 0.3, scale: log}
  batch: {from: 16, to: 128}
  regime: [full, head]
fixed:
  architecture: resnet18
  epochs: 20
warm_start: []              # names of tuning jobs, or of searches on this machine, to learn from
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kennel.errors import UserError
from kennel.runs import settings

STRATEGIES = ("bayesian", "random", "grid", "hyperband")
OBJECTIVE = "valid_accuracy"
MOST_VALUES = 30  # SageMaker takes no more of one choice
KEYS = {
    "strategy", "jobs", "parallel", "early_stopping", "seed", "ranges", "fixed", "warm_start",
    "fewest_epochs",
}  # fmt: skip


@dataclass(frozen=True)
class Range:
    """Of one hyperparameter: a choice, or everything between two numbers."""

    name: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    @property
    def ends(self) -> tuple[str, ...]:
        """What the trainer is asked about before anything starts."""
        return self.values or (self.text(self.low), self.text(self.high))

    def text(self, value: float) -> str:
        return str(round(value)) if self.whole else repr(float(value))


@dataclass(frozen=True)
class Plan:
    ranges: tuple[Range, ...]
    fixed: Mapping[str, str] = field(default_factory=dict)
    strategy: str = "bayesian"
    jobs: int = 10
    parallel: int = 1
    early_stopping: bool = True
    seed: int = 1
    fewest_epochs: int = 1  # that hyperband gives a job
    warm_start: tuple[str, ...] = ()


def read(path: Path) -> Plan:
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("ranges"), dict):
        raise UserError(f"{path} must have `ranges`, names of hyperparameters with their ranges")
    unknown = sorted(content.keys() - KEYS)
    if unknown:
        raise UserError(
            f"{path}: unknown {', '.join(unknown)}; there are {', '.join(sorted(KEYS))}"
        )
    fixed = {str(name): text(value) for name, value in (content.get("fixed") or {}).items()}
    known = (settings.complete(fixed) or [{}])[0]
    plan = Plan(
        ranges=tuple(range_of(n, given, known) for n, given in content["ranges"].items()),
        fixed=fixed,
        strategy=str(content.get("strategy", "bayesian")),
        jobs=whole(content, "jobs", 10, 1, 750),
        parallel=whole(content, "parallel", 1, 1, 100),
        early_stopping=bool(content.get("early_stopping", True)),
        seed=whole(content, "seed", 1, 0, 2**31 - 1),
        fewest_epochs=whole(content, "fewest_epochs", 1, 1, 10_000),
        warm_start=tuple(content.get("warm_start") or ()),
    )
    check(plan)
    return plan


def text(value: Any) -> str:
    """YAML's true is Python's True, which the trainer does not know."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def whole(content: Mapping[str, Any], name: str, otherwise: int, least: int, most: int) -> int:
    value = content.get(name, otherwise)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise UserError(f"{name} is {value!r}: it can be {least} to {most}")
    return value


def range_of(name: str, given: Any, known: Mapping[str, Any]) -> Range:
    """Whole numbers where the trainer takes nothing else."""
    if isinstance(given, list) and given:
        return Range(name, values=tuple(text(value) for value in given))
    if isinstance(given, dict) and given.keys() <= {"from", "to", "scale"}:
        low, high = given.get("from"), given.get("to")
        if isinstance(low, int | float) and isinstance(high, int | float) and low < high:
            both = isinstance(low, int) and isinstance(high, int)
            return Range(
                name,
                low=low,
                high=high,
                log=given.get("scale") == "log",
                whole=isinstance(known[name], int) if name in known else both,
            )
    raise UserError(
        f"range of {name}: write a list of values, or {{from: 0.001, to: 0.1, scale: log}}"
    )


def check(plan: Plan) -> None:
    if plan.strategy not in STRATEGIES:
        raise UserError(f"strategy is {plan.strategy!r}: choose {', '.join(STRATEGIES)}")
    for each in plan.ranges:
        if plan.strategy == "grid" and not each.values:
            raise UserError(f"strategy grid tries values, not ranges: list those of {each.name}")
        if len(each.values) > MOST_VALUES:
            raise UserError(f"{each.name} has {len(each.values)} values: at most {MOST_VALUES}")
        if each.log and each.low <= 0:
            raise UserError(f"range of {each.name}: scale log needs `from` above 0")
        if each.name in plan.fixed:
            raise UserError(f"{each.name} is both fixed and in ranges: leave one out")
    ends = [dict(plan.fixed) | {each.name: end} for each in plan.ranges for end in each.ends]
    settings.complete(*ends)
