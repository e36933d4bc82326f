"""SageMaker's jobs with the trainer and the server themselves, as a user of AWS starts them."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SMALL
from tests.contract.local.conftest import Aws, control
from tests.contract.local.workload import ROLE, Jobs, wait_until
from tests.e2e.images.engine import build

pytestmark = pytest.mark.long
QUICK = SMALL | {"processes": "1"}
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # jobs side by side on few cores would wait for each other
METRICS = [
    {"Name": "valid:accuracy", "Regex": r"valid_accuracy=([0-9.]+)"},
    {"Name": "train:loss", "Regex": r"train_loss=([0-9.]+)"},
]


class Pictures(Jobs):
    """Jobs on the small set of pictures, which lies in the emulated S3."""

    def __init__(self, aws: Aws, pictures: Path) -> None:
        super().__init__(aws)
        files = [path for path in pictures.rglob("*") if path.is_file()]
        with ThreadPoolExecutor(4) as pool:
            list(
                pool.map(
                    lambda p: self.put(f"set/{p.relative_to(pictures)}", p.read_bytes()), files
                )
            )

    def begin(self, settings: dict[str, str], **more: Any) -> str:
        how, image = more.pop("how", "FullyReplicated"), more.pop("image", "train")
        return self.start(
            ONE_THREAD,
            HyperParameters=settings,
            InputDataConfig=[self.channel("set/", S3DataDistributionType=how)],
            AlgorithmSpecification={"MetricDefinitions": METRICS, "TrainingImage": image},
            EnableNetworkIsolation=True,
            **more,
        )

    def finished(self, name: str) -> dict[str, Any]:
        return self.until(name, "Completed", seconds=400)

    def dealt(self, name: str, host: str) -> list[str]:
        """The pictures that a host of a running job was given."""
        folder = self.aws.state / "training-jobs" / name / host / "input/data/training"
        return [str(path.relative_to(folder)) for path in folder.rglob("*.jpg")]

    def weights(self, job: dict[str, Any]) -> bytes:
        return self.packed(job["ModelArtifacts"]["S3ModelArtifacts"])["model.safetensors"]


@pytest.fixture(scope="module")
def jobs(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pictures]:
    with control(tmp_path_factory.mktemp("aws"), "--speed", "60") as aws:
        yield Pictures(aws, pictures)


@pytest.fixture(scope="module")
def whole(jobs: Pictures) -> dict[str, Any]:
    """A job that nothing has disturbed."""
    return jobs.finished(jobs.begin(QUICK))


def test_a_job_that_lost_its_spot_instance_ends_with_the_same_weights(
    jobs: Pictures, whole: dict[str, Any]
) -> None:
    name = jobs.begin(
        QUICK | {"save_steps": "1", "save_minutes": "0"},
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200},
        CheckpointConfig={"S3Uri": f"s3://{jobs.bucket}/checkpoints"},
    )
    wait_until(lambda: any(key.endswith(".json") for key in jobs.keys("checkpoints/")), 300)
    assert jobs.interrupt(name, grace=0).status_code == 200
    jobs.until(name, "Interrupted")
    job = jobs.finished(name)
    statuses = [each["Status"] for each in job["SecondaryStatusTransitions"]]
    assert statuses.count("Training") == 2
    assert "event=resume" in jobs.logged(name)
    assert jobs.weights(job) == jobs.weights(whole)


def test_the_trainers_figures_are_the_jobs_metrics(jobs: Pictures, whole: dict[str, Any]) -> None:
    final = {each["MetricName"]: each["Value"] for each in whole["FinalMetricDataList"]}
    assert set(final) == {"valid:accuracy", "train:loss"}
    name = whole["TrainingJobName"]
    output = jobs.packed(f"s3://{jobs.bucket}/output/{name}/output/output.tar.gz")
    lines = [json.loads(line) for line in output["metrics.jsonl"].splitlines()]
    last = [line for line in lines if "valid_accuracy" in line][-1]
    assert final["valid:accuracy"] == last["valid_accuracy"]


def test_a_wrong_hyperparameter_is_the_jobs_failure_reason(jobs: Pictures) -> None:
    name = jobs.begin(QUICK | {"epoch": "3"})
    job = jobs.until(name, "Failed", seconds=300)
    assert job["FailureReason"].startswith("AlgorithmError: unknown hyperparameter epoch: did you")


def test_a_tuning_job_finds_the_better_learning_rate(jobs: Pictures) -> None:
    training = jobs.request(ONE_THREAD, AlgorithmSpecification={"MetricDefinitions": METRICS})
    del training["TrainingJobName"]
    name = f"rates-{uuid.uuid4().hex[:8]}"
    jobs.sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "train:loss"},
            "ParameterRanges": {
                "CategoricalParameterRanges": [{"Name": "rate", "Values": ["5", "0.002"]}]
            },
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
        },
        TrainingJobDefinition={
            **training,
            "StaticHyperParameters": QUICK,
            "InputDataConfig": [jobs.channel("set/")],
        },
    )

    def found() -> dict[str, Any]:
        asked = {"HyperParameterTuningJobName": name}
        return dict(jobs.sagemaker.describe_hyper_parameter_tuning_job(**asked))

    wait_until(lambda: found()["HyperParameterTuningJobStatus"] != "InProgress", 400)
    tuning = found()
    assert tuning["HyperParameterTuningJobStatus"] == "Completed", tuning
    assert tuning["TrainingJobStatusCounters"]["Completed"] == 2
    assert tuning["BestTrainingJob"]["TunedHyperParameters"] == {"rate": "0.002"}


def test_a_transform_job_classifies_a_prefix_with_bad_pictures_among_good_ones(
    jobs: Pictures, whole: dict[str, Any]
) -> None:
    good = [key for key in jobs.keys("set/test/") if key.endswith(".jpg")][:4]
    for number, key in enumerate(good):
        jobs.put(f"batch/{number}.jpg", jobs.get(key))
    jobs.put("batch/broken.jpg", jobs.get(good[0])[:300])
    jobs.put("batch/empty.jpg", b"")
    model = f"model-{uuid.uuid4().hex[:8]}"
    jobs.sagemaker.create_model(
        ModelName=model,
        ExecutionRoleArn=ROLE,
        EnableNetworkIsolation=True,
        PrimaryContainer={
            "Image": "serve",
            "ModelDataUrl": whole["ModelArtifacts"]["S3ModelArtifacts"],
        },
    )
    name = f"batch-{uuid.uuid4().hex[:8]}"
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{jobs.bucket}/batch/"}
    jobs.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        TransformInput={
            "DataSource": {"S3DataSource": source},
            "ContentType": "application/x-image",
        },
        TransformOutput={"S3OutputPath": f"s3://{jobs.bucket}/answers"},
        TransformResources={"InstanceType": "ml.c6i.large", "InstanceCount": 1},
    )

    def found() -> dict[str, Any]:
        return dict(jobs.sagemaker.describe_transform_job(TransformJobName=name))

    wait_until(lambda: found()["TransformJobStatus"] != "InProgress", 300)
    job = found()
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    answers = {key: json.loads(jobs.get(key)) for key in jobs.keys("answers/")}
    assert sorted(answers) == [f"answers/{number}.jpg.out" for number in range(4)]
    for answer in answers.values():
        assert answer["model"]["name"] == "small"
        assert sum(each["probability"] for each in answer["predictions"]) == pytest.approx(
            1, abs=0.01
        )


def test_two_containers_train_on_a_share_of_the_pictures_each(
    docker: str, pictures: Path, tmp_path: Path
) -> None:
    image = build(docker, "train")
    with control(tmp_path / "aws", "--runner", "docker", "--speed", "60") as aws:
        jobs = Pictures(aws, pictures)
        name = jobs.begin(
            QUICK | {"epochs": "1"},
            how="ShardedByS3Key",
            ResourceConfig={"InstanceCount": 2},
            image=image,
        )
        jobs.until(name, "Training", seconds=300)
        dealt = [jobs.dealt(name, host) for host in ("algo-1", "algo-2")]
        job = jobs.finished(name)
        log, streams = jobs.logged(name), jobs.streams(name)
        manifest = json.loads(
            jobs.packed(job["ModelArtifacts"]["S3ModelArtifacts"])["manifest.json"]
        )
    whole = {str(path.relative_to(pictures)) for path in pictures.rglob("*.jpg")}
    assert all(dealt)
    assert sorted(dealt[0] + dealt[1]) == sorted(whole)  # so that no two have the same one
    assert [each.rpartition("-")[0] for each in streams] == [f"{name}/algo-1", f"{name}/algo-2"]
    assert "event=pictures pictures=72" in log
    assert len(manifest["classes"]) == 3
