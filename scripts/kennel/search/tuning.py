"""A hyperparameter tuning job of SageMaker."""

import secrets
import time
from collections.abc import Mapping
from math import prod
from typing import Any

from botocore.exceptions import ClientError

from kennel import aws
from kennel.errors import UserError
from kennel.network import create
from kennel.outputs import Outputs
from kennel.runs import training
from kennel.search import trials
from kennel.search.ranges import OBJECTIVE, Plan, Range
from kennel.search.trials import Trial

STRATEGIES = {"bayesian": "Bayesian", "random": "Random", "grid": "Grid", "hyperband": "Hyperband"}


def new_name(defaults: Mapping[str, Any]) -> str:
    """A tuning job's name has 32 characters at most."""
    stamp = time.strftime("%m%d%H%M", time.gmtime())
    return f"{defaults['name_prefix']}{stamp}{secrets.token_hex(1)}"


def request(
    name: str, plan: Plan, order: training.Order, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole of CreateHyperParameterTuningJob."""
    limits = {"MaxParallelTrainingJobs": plan.parallel}
    if plan.strategy != "grid":
        limits["MaxNumberOfTrainingJobs"] = plan.jobs
    # SageMaker refuses early stopping beside Hyperband, which stops jobs itself.
    stops = plan.early_stopping and plan.strategy != "hyperband"
    config: dict[str, Any] = {
        "Strategy": STRATEGIES[plan.strategy],
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": OBJECTIVE},
        "ResourceLimits": limits,
        "ParameterRanges": ranges_of(plan),
        "TrainingJobEarlyStoppingType": "Auto" if stops else "Off",
        "RandomSeed": plan.seed,
    }
    if plan.strategy == "hyperband":
        most = int(plan.fixed.get("epochs", "10"))
        resource = {"MinResource": plan.fewest_epochs, "MaxResource": most}
        config["StrategyConfig"] = {"HyperbandStrategyConfig": resource}
    asked = {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": training.definition(order, defaults)
        | {"StaticHyperParameters": dict(plan.fixed)},
        "Tags": [{"Key": "Project", "Value": defaults["name_prefix"].rstrip("-")}],
    }
    if plan.warm_start:
        asked["WarmStartConfig"] = {
            "ParentHyperParameterTuningJobs": [
                {"HyperParameterTuningJobName": parent} for parent in plan.warm_start
            ],
            "WarmStartType": "TransferLearning",
        }
    return asked


def ranges_of(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    choices: list[dict[str, Any]] = [
        {"Name": each.name, "Values": list(each.values)} for each in plan.ranges if each.values
    ]
    numbers = [(each.whole, number_range(each)) for each in plan.ranges if not each.values]
    found: dict[str, list[dict[str, Any]]] = {
        "CategoricalParameterRanges": choices,
        "IntegerParameterRanges": [each for whole, each in numbers if whole],
        "ContinuousParameterRanges": [each for whole, each in numbers if not whole],
    }
    return {name: each for name, each in found.items() if each}


def number_range(each: Range) -> dict[str, Any]:
    return {
        "Name": each.name,
        "MinValue": each.text(each.low),
        "MaxValue": each.text(each.high),
        "ScalingType": "Logarithmic" if each.log else "Linear",
    }


def start(request: Mapping[str, Any], platform: Outputs) -> "TuningJob":
    job = TuningJob(str(request["HyperParameterTuningJobName"]), platform)
    create(job.sagemaker.create_hyper_parameter_tuning_job, request)
    return job


def pace(description: Mapping[str, Any], now: float) -> str:
    """Of the jobs that have ended; a grid's number is not in its limits, but that of its values."""
    config = description.get("HyperParameterTuningJobConfig", {})
    choices = config.get("ParameterRanges", {}).get("CategoricalParameterRanges", [])
    grid = prod(len(each["Values"]) for each in choices)
    total = config.get("ResourceLimits", {}).get("MaxNumberOfTrainingJobs", grid)
    counts = description.get("TrainingJobStatusCounters", {})
    ended = sum(counts.get(each, 0) for each in ("Completed", "Stopped", "NonRetryableError"))
    since = description.get("CreationTime")
    return trials.pace(ended, total, now - since.timestamp() if since else 0.0)


class TuningJob:
    """One that was started, now or long ago."""

    def __init__(self, name: str, platform: Outputs) -> None:
        self.name = name
        self.sagemaker = aws.client("sagemaker", platform.region)

    def describe(self) -> dict[str, Any]:
        try:
            return dict(
                self.sagemaker.describe_hyper_parameter_tuning_job(
                    HyperParameterTuningJobName=self.name
                )
            )
        except ClientError as error:
            if "not" in str(error) and "find" in str(error).replace("found", "find"):
                raise UserError(f"there is no tuning job {self.name}") from error
            raise

    def ranges(self) -> list[Range]:
        """As they were asked for: whoever attaches has no file."""
        given = self.describe()["HyperParameterTuningJobConfig"].get("ParameterRanges", {})
        found = [
            Range(each["Name"], values=tuple(each["Values"]))
            for each in given.get("CategoricalParameterRanges", [])
        ]
        for kind in ("Integer", "Continuous"):
            found += [
                Range(
                    each["Name"],
                    low=float(each["MinValue"]),
                    high=float(each["MaxValue"]),
                    log=each.get("ScalingType") == "Logarithmic",
                    whole=kind == "Integer",
                )
                for each in given.get(f"{kind}ParameterRanges", [])
            ]
        return found

    def trials(self) -> list[Trial]:
        pages = self.sagemaker.get_paginator(
            "list_training_jobs_for_hyper_parameter_tuning_job"
        ).paginate(HyperParameterTuningJobName=self.name)
        return [trial_of(each) for page in pages for each in page["TrainingJobSummaries"]]

    def stop(self) -> None:
        self.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=self.name)


def trial_of(summary: Mapping[str, Any]) -> Trial:
    metric = summary.get("FinalHyperParameterTuningJobObjectiveMetric", {})
    began, ended = summary.get("TrainingStartTime"), summary.get("TrainingEndTime")
    return Trial(
        name=summary["TrainingJobName"],
        state=summary["TrainingJobStatus"],
        values=dict(summary.get("TunedHyperParameters", {})),
        objective=float(metric["Value"]) if "Value" in metric else None,
        seconds=(ended - began).total_seconds() if began and ended else 0.0,
        reason=summary.get("FailureReason", ""),
    )
