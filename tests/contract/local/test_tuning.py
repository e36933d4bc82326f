"""Tuning jobs of the emulated SageMaker: its four strategies over training jobs that really run."""

import math
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.local.conftest import Aws
from tests.contract.local.workload import ROLE, Jobs, program, wait_until

# The nearer the rate to 0.1, the better; one value an epoch, each nearer to the last.
HILL = """
    import math
    rate = float(settings.get("rate", "0.1"))
    score = -abs(math.log10(rate) + 1) + (settings.get("extra") == "good")
    for epoch in range(int(settings.get("epochs", "1"))):
        print(f"score={score - 1 / (1 + epoch):.6f}", flush=True)
        time.sleep(float(settings.get("pause", "0")))
    print(f"score={score:.6f}", flush=True)
"""
RATES = {"Name": "rate", "MinValue": "0.0001", "MaxValue": "1", "ScalingType": "Logarithmic"}
Ranges = Mapping[str, list[dict[str, Any]]]


class Tunings(Jobs):
    """Tuning jobs with as little said of them as can be."""

    def __init__(self, aws: Aws, environment: dict[str, str]) -> None:
        super().__init__(aws)
        self.environment = environment

    def tuning(self, ranges: Ranges, static: dict[str, str] | None = None, **config: Any) -> Any:
        limits = {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2}
        definitions = [{"Name": "score", "Regex": "score=(-?[0-9.]+)"}]
        training = self.request(
            self.environment, AlgorithmSpecification={"MetricDefinitions": definitions}
        )
        del training["TrainingJobName"]
        return {
            "HyperParameterTuningJobName": f"tune-{uuid.uuid4().hex[:8]}",
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
                "ParameterRanges": ranges,
                "ResourceLimits": limits | config.pop("ResourceLimits", {}),
                "RandomSeed": 1,
                **config,
            },
            "TrainingJobDefinition": {**training, "StaticHyperParameters": static or {}},
        }

    def begin(self, ranges: Ranges, static: dict[str, str] | None = None, **config: Any) -> str:
        request = self.tuning(ranges, static, **config)
        self.sagemaker.create_hyper_parameter_tuning_job(**request)
        return str(request["HyperParameterTuningJobName"])

    def look(self, name: str) -> dict[str, Any]:
        asked = {"HyperParameterTuningJobName": name}
        return dict(self.sagemaker.describe_hyper_parameter_tuning_job(**asked))

    def ended(self, name: str, seconds: float = 90) -> dict[str, Any]:
        def over() -> bool:
            status = self.look(name)["HyperParameterTuningJobStatus"]
            return status in ("Completed", "Failed", "Stopped")

        wait_until(over, seconds)
        return self.look(name)

    def trainings(self, name: str, **more: Any) -> list[dict[str, Any]]:
        pages = self.sagemaker.get_paginator(
            "list_training_jobs_for_hyper_parameter_tuning_job"
        ).paginate(HyperParameterTuningJobName=name, **more)
        return [each for page in pages for each in page["TrainingJobSummaries"]]


@pytest.fixture(scope="module")
def tunings(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Tunings:
    return Tunings(aws, program(tmp_path_factory.mktemp("programs"), HILL))


def score_of(summary: dict[str, Any]) -> float:
    return float(summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def test_a_search_runs_its_jobs_and_names_the_best(tunings: Tunings) -> None:
    name = tunings.begin({"ContinuousParameterRanges": [RATES]}, {"extra": "good"})
    job = tunings.ended(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == 4
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    found = tunings.trainings(name, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    rates = [float(each["TunedHyperParameters"]["rate"]) for each in found]
    assert len(set(rates)) == 4
    assert all(0.0001 <= rate <= 1 for rate in rates)
    assert [score_of(each) for each in found] == sorted(map(score_of, found), reverse=True)
    assert score_of(found[0]) == pytest.approx(1 - abs(math.log10(rates[0]) + 1), abs=1e-5)
    best = job["BestTrainingJob"]
    assert best["TrainingJobName"] == found[0]["TrainingJobName"]
    assert best["TrainingJobName"].startswith(f"{name}-00")
    training = tunings.describe(best["TrainingJobName"])
    assert training["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert training["HyperParameters"]["_tuning_objective_metric"] == "score"
    assert training["HyperParameters"]["extra"] == "good"


def test_grid_search_tries_every_combination_once(tunings: Tunings) -> None:
    name = tunings.begin(
        {
            "CategoricalParameterRanges": [
                {"Name": "rate", "Values": ["0.1", "0.01"]},
                {"Name": "extra", "Values": ["good", "bad"]},
            ]
        },
        Strategy="Grid",
        ResourceLimits={"MaxNumberOfTrainingJobs": 4},
    )
    job = tunings.ended(name)
    tried = {tuple(sorted(e["TunedHyperParameters"].items())) for e in tunings.trainings(name)}
    assert len(tried) == len(tunings.trainings(name)) == 4
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"rate": "0.1", "extra": "good"}


def test_bayesian_search_learns_and_goes_on_from_an_earlier_one(tunings: Tunings) -> None:
    ranges = {"ContinuousParameterRanges": [RATES]}
    first = tunings.begin(ranges, Strategy="Bayesian")
    earlier = tunings.ended(first)
    assert earlier["HyperParameterTuningJobStatus"] == "Completed"
    request = tunings.tuning(ranges, Strategy="Bayesian")
    request["WarmStartConfig"] = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": first}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    tunings.sagemaker.create_hyper_parameter_tuning_job(**request)
    later = tunings.ended(request["HyperParameterTuningJobName"])
    assert later["WarmStartConfig"] == request["WarmStartConfig"]
    found = tunings.trainings(request["HyperParameterTuningJobName"])
    # Random draws from this range are 1.2 away from the best on average.
    assert -sum(map(score_of, found)) / len(found) < 1.0


def test_hyperband_gives_up_on_what_is_behind(tunings: Tunings) -> None:
    name = tunings.begin(
        {"CategoricalParameterRanges": [{"Name": "rate", "Values": ["0.1", "0.001", "0.0001"]}]},
        {"epochs": "9", "pause": "0.3"},
        Strategy="Hyperband",
        StrategyConfig={"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}},
    )
    job = tunings.ended(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    stopped = tunings.trainings(name, StatusEquals="Stopped")
    assert [each["TunedHyperParameters"]["rate"] for each in stopped] == ["0.0001"] * 2
    assert job["TrainingJobStatusCounters"]["Stopped"] == len(stopped)
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"rate": "0.1"}


def test_early_stopping_ends_what_is_worse_than_most(tunings: Tunings) -> None:
    rates = ["0.1", "0.1001", "0.1002", "0.0001"]
    name = tunings.begin(
        {"CategoricalParameterRanges": [{"Name": "rate", "Values": rates}]},
        {"epochs": "4", "pause": "0.5"},
        Strategy="Grid",
        TrainingJobEarlyStoppingType="Auto",
        ResourceLimits={"MaxParallelTrainingJobs": 1},
    )
    tunings.ended(name)
    stopped = tunings.trainings(name, StatusEquals="Stopped")
    assert [each["TunedHyperParameters"]["rate"] for each in stopped] == ["0.0001"]


def test_a_search_ends_when_its_target_is_reached(tunings: Tunings) -> None:
    name = tunings.begin(
        {"ContinuousParameterRanges": [RATES]},
        ResourceLimits={"MaxNumberOfTrainingJobs": 50, "MaxParallelTrainingJobs": 1},
        TuningJobCompletionCriteria={"TargetObjectiveMetricValue": -10},
    )
    job = tunings.ended(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert sum(job["TrainingJobStatusCounters"].values()) < 5


def test_stopping_a_search_stops_its_jobs(tunings: Tunings) -> None:
    name = tunings.begin({"ContinuousParameterRanges": [RATES]}, {"epochs": "60", "pause": "1"})
    wait_until(lambda: tunings.look(name)["TrainingJobStatusCounters"]["InProgress"] == 2)
    tunings.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert tunings.look(name)["HyperParameterTuningJobStatus"] == "Stopping"
    job = tunings.ended(name)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 2
    listed = tunings.sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name)
    assert listed["HyperParameterTuningJobSummaries"][0]["Strategy"] == "Random"


def test_a_search_fails_if_all_its_jobs_do(aws: Aws, tmp_path: Path) -> None:
    tunings = Tunings(aws, program(tmp_path, "sys.exit(1)"))
    name = tunings.begin(
        {"ContinuousParameterRanges": [RATES]}, ResourceLimits={"MaxNumberOfTrainingJobs": 2}
    )
    job = tunings.ended(name)
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("All training jobs failed.")
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"Strategy": "Grid"}, "categorical"),
        ({"Strategy": "Hyperband", "TrainingJobEarlyStoppingType": "Auto"}, "must be Off"),
        ({"HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "x"}}, "metric x"),
        ({"ParameterRanges": {}}, "range"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    tunings: Tunings, change: dict[str, Any], complaint: str
) -> None:
    request = tunings.tuning({"ContinuousParameterRanges": [RATES]})
    request["HyperParameterTuningJobConfig"] |= change
    assert request["TrainingJobDefinition"]["RoleArn"] == ROLE
    with pytest.raises(ClientError, match=f"ValidationException.*{complaint}"):
        tunings.sagemaker.create_hyper_parameter_tuning_job(**request)
