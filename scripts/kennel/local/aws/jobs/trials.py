"""What a tuning job and its training jobs say of each other: requests, objectives, the best."""

from collections.abc import Iterable, Mapping
from typing import Any

from moto.sagemaker.exceptions import ValidationError

from kennel.local.aws.jobs.records import ENDED, Document, Record

METRIC = "_tuning_objective_metric"
KEPT = (
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "RetryStrategy",
    "Environment",
)


def check(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the API refuses beyond the shapes, and what we do not emulate. Returns the config."""
    config: Mapping[str, Any] = request["HyperParameterTuningJobConfig"]
    definition = request.get("TrainingJobDefinition")
    if definition is None or request.get("TrainingJobDefinitions"):
        raise ValidationError("Give one TrainingJobDefinition: several of them are not emulated.")
    if request.get("Autotune") or (config.get("ParameterRanges") or {}).get("AutoParameters"):
        raise ValidationError("Autotune is not emulated: give the ranges.")
    if "HyperParameterTuningJobObjective" not in config:
        raise ValidationError("HyperParameterTuningJobObjective must be given.")
    if not any((config.get("ParameterRanges") or {}).values()):
        raise ValidationError("At least one hyperparameter range must be given.")
    limits = config["ResourceLimits"]
    if config["Strategy"] != "Grid" and not limits.get("MaxNumberOfTrainingJobs"):
        raise ValidationError("MaxNumberOfTrainingJobs must be given but for grid search.")
    if config["Strategy"] == "Hyperband" and config.get("TrainingJobEarlyStoppingType") == "Auto":
        raise ValidationError("Early stopping must be Off with Hyperband, which stops jobs itself.")
    metric = config["HyperParameterTuningJobObjective"]["MetricName"]
    defined = definition["AlgorithmSpecification"].get("MetricDefinitions") or []
    if metric not in [each["Name"] for each in defined]:
        raise ValidationError(
            f"The objective metric {metric} is not among the metric definitions of the algorithm."
        )
    return config


def training_request(
    definition: Mapping[str, Any],
    job: str,
    tuned: Mapping[str, str],
    config: Mapping[str, Any],
) -> Document:
    request = {name: definition[name] for name in KEPT if name in definition}
    if "ResourceConfig" not in request:
        request["ResourceConfig"] = definition.get("HyperParameterTuningResourceConfig") or {}
    static = definition.get("StaticHyperParameters") or {}
    metric = config["HyperParameterTuningJobObjective"]["MetricName"]
    values = {**static, **tuned, METRIC: metric}
    return request | {"TrainingJobName": job, "HyperParameters": values}


def parents_of(request: Mapping[str, Any]) -> list[str]:
    given = (request.get("WarmStartConfig") or {}).get("ParentHyperParameterTuningJobs") or []
    return [each["HyperParameterTuningJobName"] for each in given]


def value_of(record: Record) -> float | None:
    """The last value of the objective of an ended training job."""
    metric = (record.document.get("HyperParameters") or {}).get(METRIC)
    for each in record.document.get("FinalMetricDataList") or []:
        if each["MetricName"] == metric:
            return float(each["Value"])
    return None


def objective_status(record: Record) -> str:
    if record.status not in ENDED:
        return "Pending"
    ended_well = record.status != "Failed" and value_of(record) is not None
    return "Succeeded" if ended_well else "Failed"


def best_of(record: Record, summaries: Iterable[Document]) -> Document | None:
    objective = record.document["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    sign = 1 if objective["Type"] == "Maximize" else -1
    good = [each for each in summaries if each["ObjectiveStatus"] == "Succeeded"]

    def value(summary: Document) -> float:
        return sign * float(summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])

    return max(good, key=value, default=None)
