"""The file that says what is searched, and what a search shows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from kennel import tune
from kennel.errors import UserError
from kennel.runs.training import Order
from kennel.search import here, ranges, trials, tuning
from kennel.search.trials import Trial

GOOD = """
strategy: bayesian
jobs: 6
parallel: 2
ranges:
  rate: {from: 0.001, to: 0.3, scale: log}
  batch: {from: 16, to: 64}
  regime: [full, head]
  balance: [true, false]
fixed:
  architecture: resnet18
  epochs: 4
warm_start: [kennel-before]
"""
DEFAULTS = {
    "instance_count": 1,
    "instance_type": "ml.m5.xlarge",
    "isolated": True,
    "kms_key_arn": "arn:key",
    "max_runtime": 3600,
    "name_prefix": "kennel-twenty-letters-",
    "output_s3_uri": "s3://models/jobs",
    "role_arn": "arn:aws:iam::123456789012:role/training",
    "security_group_ids": ["sg-1"],
    "spot": True,
    "subnet_ids": ["subnet-1"],
    "volume_gb": 50,
}


def plan_of(tmp_path: Path, text: str) -> ranges.Plan:
    path = tmp_path / "ranges.yaml"
    path.write_text(text)
    return ranges.read(path)


def test_ranges_become_what_sagemaker_takes(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, GOOD)
    name = tuning.new_name(DEFAULTS)
    assert len(name) <= 32
    request = tuning.request(name, plan, Order("image", "s3://data/dogs", {}), DEFAULTS)
    config = request["HyperParameterTuningJobConfig"]
    assert config["ParameterRanges"] == {
        "CategoricalParameterRanges": [
            {"Name": "regime", "Values": ["full", "head"]},
            {"Name": "balance", "Values": ["true", "false"]},
        ],
        "IntegerParameterRanges": [
            {"Name": "batch", "MinValue": "16", "MaxValue": "64", "ScalingType": "Linear"}
        ],
        "ContinuousParameterRanges": [
            {"Name": "rate", "MinValue": "0.001", "MaxValue": "0.3", "ScalingType": "Logarithmic"}
        ],
    }
    assert config["TrainingJobEarlyStoppingType"] == "Auto"
    definition = request["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"] == {"architecture": "resnet18", "epochs": "4"}
    parents = request["WarmStartConfig"]["ParentHyperParameterTuningJobs"]
    assert parents == [{"HyperParameterTuningJobName": "kennel-before"}]


def test_the_requests_are_what_botocore_takes(tmp_path: Path) -> None:
    import botocore.session
    from botocore.validate import ParamValidator

    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateHyperParameterTuningJob").input_shape
    hyperband = GOOD.replace("bayesian", "hyperband")
    grid = "strategy: grid\nranges:\n  rate: [0.1, 0.2]\n"
    for text in (GOOD, hyperband, grid):
        plan = plan_of(tmp_path, text)
        request = tuning.request("name", plan, Order("i", "s3://d/p", {}), DEFAULTS)
        report = ParamValidator().validate(request, shape)
        assert not report.has_errors(), report.generate_report()


def test_hyperband_stops_jobs_itself(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, GOOD.replace("bayesian", "hyperband"))
    request = tuning.request("n", plan, Order("i", "s3://d/p", {}), DEFAULTS)
    config = request["HyperParameterTuningJobConfig"]
    assert config["TrainingJobEarlyStoppingType"] == "Off"
    assert config["StrategyConfig"]["HyperbandStrategyConfig"] == {
        "MinResource": 1,
        "MaxResource": 4,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jobs: 3", "must have `ranges`"),
        ("ranges: {rat: [0.1]}", "did you mean rate"),
        ("ranges: {rate: {from: 0.1, to: 90}}", "it can be 1e-07 to 10.0"),
        ("ranges: {rate: {from: 2, to: 1}}", "range of rate"),
        ("ranges: {weights: [imagenet, wrong]}", "choose none or imagenet"),
        ("ranges: {rate: [0.1]}\nstrategy: magic", "choose bayesian"),
        ("ranges: {rate: {from: 0.1, to: 1}}\nstrategy: grid", "tries values, not ranges"),
        ("ranges: {rate: [0.1]}\nfixed: {rate: 0.1}", "both fixed and in ranges"),
        ("ranges: {rate: [0.1]}\njobs: 0", "jobs is 0"),
        ("ranges: {rate: [0.1]}\njob: 3", "unknown job"),
        ("ranges: [", "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        plan_of(tmp_path, text)


RANGES = (
    ranges.Range("rate", low=0.001, high=0.3, log=True),
    ranges.Range("batch", low=16, high=64, whole=True),
    ranges.Range("regime", values=("full", "head")),
)


def test_the_best_is_one_that_has_left_a_model() -> None:
    values = {"rate": "0.01", "batch": "32", "regime": "full"}
    found = [
        Trial("a", "Completed", values, 0.8, 10),
        Trial("b", "Stopped", values, 0.9, 5),
        Trial("c", "Failed", values),
        Trial("d", "Completed", values | {"rate": "0.3", "regime": "head"}, 0.85, 10),
    ]
    best = trials.best(found)
    assert best is not None
    assert best.name == "d"
    assert [each.name for each in trials.ranked(found)] == ["b", "d", "a", "c"]
    page = trials.page("a <search>", found, RANGES)
    assert "a &lt;search&gt;" in page
    assert "http" not in page
    assert "<script" not in page
    drawing = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])  # noqa: S314
    lines = drawing.findall("path")
    assert len(lines) == 3
    heights = [float(point.split()[1]) for point in lines[-1].attrib["d"][1:].split(" L")]
    assert all(trials.MARGIN <= each <= trials.HEIGHT - trials.MARGIN for each in heights)
    assert lines[-1][0].text is not None
    assert lines[-1][0].text.startswith("b:")


def test_a_search_without_any_result_still_draws() -> None:
    assert "0 of 1 jobs" in trials.page("none", [Trial("a", "Failed")], RANGES)
    assert trials.best([Trial("a", "Failed")]) is None


@pytest.mark.parametrize(
    ("ended", "before", "said"),
    [
        (0, 0, "0 of 12"),
        (3, 0, "3 of 12, 100 s each, 15 min left"),
        (5, 4, "5 of 12, 300 s each, 35 min left"),  # four of another day
        (12, 0, "12 of 12, 25 s each"),
    ],
)
def test_a_search_says_how_far_it_is_and_how_long_it_will_take(
    ended: int, before: int, said: str
) -> None:
    assert trials.pace(ended, 12, 300, before) == said


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def described(**config: Any) -> dict[str, Any]:
    """A tuning job that began ten minutes ago and has ended four of its jobs."""
    counters = {"Completed": 2, "Stopped": 1, "NonRetryableError": 1, "InProgress": 2}
    return {
        "CreationTime": NOW - timedelta(minutes=10),
        "HyperParameterTuningJobConfig": config,
        "HyperParameterTuningJobStatus": "Completed",
        "TrainingJobStatusCounters": counters | {"RetryableError": 1},
    }


def test_a_tuning_job_has_its_number_of_jobs_in_its_limits_or_in_its_grid() -> None:
    limited = described(ResourceLimits={"MaxNumberOfTrainingJobs": 8})
    assert tuning.pace(limited, NOW.timestamp()) == "4 of 8, 150 s each, 10 min left"
    choices = [{"Values": ["1", "2", "3"]}, {"Values": ["full", "head"]}]
    grid = described(ResourceLimits={}, ParameterRanges={"CategoricalParameterRanges": choices})
    assert tuning.pace(grid, NOW.timestamp()) == "4 of 6, 150 s each, 5 min left"


def test_who_watches_a_search_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("time.time", NOW.timestamp)

    class Job:
        def describe(self) -> dict[str, Any]:
            return described(ResourceLimits={"MaxNumberOfTrainingJobs": 8})

    tune.watch(Job())  # type: ignore[arg-type]
    said = capsys.readouterr().err
    assert "2 done, 2 running, 1 stopped early, 1 failed; 4 of 8, 150 s each, 10 min left" in said


def test_who_searches_on_this_machine_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def search(*given: Any) -> list[Trial]:
        told, found = given[3:]
        trial = Trial("one", "Completed", {"rate": "0.1"}, 0.9)
        found.end(trial)
        told(trial)
        return found.ended

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(here, "search", search)
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    plan = ranges.Plan((ranges.Range("rate", values=("0.1", "0.2")),), strategy="grid")
    tune.on_this_machine(tune.Wish(data=str(tmp_path), settings={}), plan)
    assert "1 of 2, 0 s each, 0 s left" in capsys.readouterr().err
