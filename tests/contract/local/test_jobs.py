"""Training jobs of the emulated SageMaker, with boto3 as the client and small programs to run."""

import json
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.contract.local import workload
from tests.contract.local.conftest import QUICK, Aws, control
from tests.contract.local.workload import Jobs, wait_until

Program = Callable[[str], dict[str, str]]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return partial(workload.program, tmp_path)


@pytest.fixture(scope="module")
def jobs(aws: Aws) -> Jobs:
    return Jobs(aws)


def secondary(job: dict[str, Any]) -> list[str]:
    return [each["Status"] for each in job["SecondaryStatusTransitions"]]


def test_a_job_gets_its_folders_and_its_results_are_kept(jobs: Jobs, program: Program) -> None:
    jobs.put("set/train/a.txt", b"first")
    jobs.put("set/train/deep/b.txt", b"second")
    environment = program(
        """
        seen = {p.relative_to(ml).as_posix(): p.read_text() for p in ml.rglob("*.txt")}
        (ml / "model/seen.json").write_text(json.dumps([seen, settings, here, sys.argv[1:]]))
        (ml / "output/data/notes").write_text(os.environ["TRAINING_JOB_NAME"])
        inputs = (ml / "input/config/inputdataconfig.json").read_text()
        (ml / "output/data/inputs").write_text(inputs)
        print("hello from the job")
        """
    )
    job = jobs.run(
        environment,
        HyperParameters={"epochs": "3"},
        InputDataConfig=[jobs.channel("set/train/")],
    )

    assert secondary(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all("EndTime" in each for each in job["SecondaryStatusTransitions"])
    assert job["TrainingStartTime"] < job["TrainingEndTime"]
    assert job["TrainingTimeInSeconds"] == job["BillableTimeInSeconds"] >= 1
    model = jobs.packed(job["ModelArtifacts"]["S3ModelArtifacts"])
    seen, settings, here, arguments = json.loads(model["seen.json"])
    assert seen == {
        "input/data/training/a.txt": "first",
        "input/data/training/deep/b.txt": "second",
    }
    assert settings == {"epochs": "3"}
    assert here["hosts"] == [here["current_host"]]
    assert here["instance_groups"][0]["instance_type"] == "ml.c5.xlarge"
    assert arguments == ["train"]
    name = job["TrainingJobName"]
    output = jobs.packed(f"s3://{jobs.bucket}/output/{name}/output/output.tar.gz")
    assert output["notes"].decode() == name
    assert json.loads(output["inputs"])["training"]["S3DistributionType"] == "FullyReplicated"
    assert "hello from the job" in jobs.logged(name)


def test_a_failed_job_says_why(jobs: Jobs, program: Program) -> None:
    job = jobs.run(
        program('(ml / "output/failure").write_text("no pictures"); sys.exit(3)'), "Failed"
    )
    assert job["FailureReason"] == "AlgorithmError: no pictures, exit code: 3"
    assert secondary(job)[-1] == "Failed"
    assert not jobs.keys(f"output/{job['TrainingJobName']}/output/model.tar.gz")


def test_stopping_ends_a_job_by_sigterm_and_keeps_its_model(jobs: Jobs, program: Program) -> None:
    environment = program(
        """
        def end(*_):
            (ml / "model/last").write_text("words")
            sys.exit(9)
        signal.signal(signal.SIGTERM, end)
        print("ready", flush=True)
        time.sleep(900)
        """
    )
    name = jobs.start(environment)
    jobs.until(name, "Training")
    wait_until(lambda: "ready" in jobs.logged(name))
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert jobs.describe(name)["TrainingJobStatus"] == "Stopping"
    job = jobs.until(name, "Stopped")
    assert secondary(job)[-2:] == ["Stopping", "Stopped"]
    assert jobs.packed(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"last": b"words"}
    with pytest.raises(ClientError, match="is in status Stopped"):
        jobs.sagemaker.stop_training_job(TrainingJobName=name)


def test_a_job_that_takes_too_long_is_stopped(jobs: Jobs, program: Program) -> None:
    job = jobs.run(
        program("time.sleep(900)"), "Stopped", StoppingCondition={"MaxRuntimeInSeconds": 1}
    )
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert job["TrainingJobStatus"] == "Stopped"


def test_checkpoints_go_both_ways_while_the_job_runs(jobs: Jobs, program: Program) -> None:
    jobs.put("points/old", b"from before")
    environment = program(
        """
        points = ml / "checkpoints"
        found = (points / "old").read_text()
        (points / "new").write_text(found + ", and after")
        (points / "old").unlink()
        while not (ml / "checkpoints/end").exists():
            time.sleep(0.05)
        """
    )
    where = {"S3Uri": f"s3://{jobs.bucket}/points"}
    name = jobs.start(environment, CheckpointConfig=where)
    wait_until(lambda: jobs.keys("points/") == ["points/new"])
    assert jobs.describe(name)["SecondaryStatus"] == "Training"
    assert jobs.get("points/new") == b"from before, and after"
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.until(name, "Stopped")


@pytest.mark.parametrize("grace", [120, 0])
def test_an_interrupted_spot_job_goes_on_from_its_checkpoint(
    jobs: Jobs, program: Program, grace: float
) -> None:
    environment = program(
        """
        state = ml / "checkpoints/step"
        step = int(state.read_text()) if state.exists() else 0
        print(f"starts at {step}", flush=True)
        stopped = []
        signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
        while step < int(settings["steps"]) and not stopped:
            step += 1
            time.sleep(0.02)
            (ml / "new").write_text(str(step))
            (ml / "new").rename(state)
        if stopped:
            sys.exit(143)
        (ml / "model/steps").write_text(str(step))
        """
    )
    prefix = f"spot-{grace:g}"
    name = jobs.start(
        environment,
        HyperParameters={"steps": "200"},
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200},
        CheckpointConfig={"S3Uri": f"s3://{jobs.bucket}/{prefix}"},
    )
    wait_until(lambda: bool(jobs.keys(f"{prefix}/")))
    assert jobs.interrupt(name, grace).status_code == 200
    jobs.until(name, "Interrupted")
    job = jobs.until(name, "Completed")
    assert secondary(job) == [
        *("Starting", "Downloading", "Training", "Interrupted"),
        *("Starting", "Downloading", "Training", "Uploading", "Completed"),
    ]
    assert jobs.packed(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"steps": b"200"}
    starts = [line for line in jobs.logged(name).split("\n") if line.startswith("starts at")]
    assert starts[0] == "starts at 0"
    assert starts[1] != "starts at 0"


def test_a_job_that_does_not_heed_sigterm_is_killed_after_the_grace(
    jobs: Jobs, program: Program
) -> None:
    environment = program(
        """
        points = ml / "checkpoints"
        if (points / "told").exists():
            (ml / "model/told").write_text((points / "told").read_text())
            sys.exit()
        def told(*_):
            (points / "told").write_text(str(os.getpid()))
        signal.signal(signal.SIGTERM, told)
        print("ready", flush=True)
        for _ in range(600):
            time.sleep(1)
        """
    )
    name = jobs.start(
        environment,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200},
        CheckpointConfig={"S3Uri": f"s3://{jobs.bucket}/stubborn"},
    )
    jobs.until(name, "Training")
    wait_until(lambda: "ready" in jobs.logged(name))
    began = time.monotonic()
    jobs.interrupt(name, grace=1)
    jobs.until(name, "Interrupted", seconds=300)  # not the ten minutes that it would take
    assert time.monotonic() - began >= 1
    job = jobs.until(name, "Completed")
    assert "Interrupted" in secondary(job)
    [pid] = jobs.packed(job["ModelArtifacts"]["S3ModelArtifacts"]).values()
    assert not psutil.pid_exists(int(pid))


def test_only_spot_jobs_that_train_can_be_interrupted(jobs: Jobs, program: Program) -> None:
    job = jobs.run(program("pass"))
    answer = jobs.interrupt(job["TrainingJobName"])
    assert (answer.status_code, "Spot" in answer.text) == (400, True)


def test_metrics_are_found_by_their_expressions(jobs: Jobs, program: Program) -> None:
    definitions = [
        {"Name": "loss", "Regex": r"loss=([0-9.]+)"},
        {"Name": "accuracy", "Regex": "accuracy: ([0-9.]+)"},
    ]
    job = jobs.run(
        program('print("loss=2.5"); print("loss=0.5 accuracy: 0.75", end="")'),
        AlgorithmSpecification={"MetricDefinitions": definitions},
    )
    final = {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]}
    assert final == {"loss": 0.5, "accuracy": 0.75}
    metrics = jobs.aws.client("cloudwatch").list_metrics(Namespace="/aws/sagemaker/TrainingJobs")
    names = {
        each["MetricName"]
        for each in metrics["Metrics"]
        if {"Name": "TrainingJobName", "Value": job["TrainingJobName"]} in each["Dimensions"]
    }
    assert names == {"loss", "accuracy"}


def test_hosts_share_out_the_objects_and_see_each_other(jobs: Jobs, program: Program) -> None:
    for number in range(5):
        jobs.put(f"shards/{number}.tar", str(number).encode())
    jobs.put("common/classes", b"cat dog")
    environment = program(
        """
        import socket
        first, mine = here["hosts"][0], here["current_host"]
        shards = sorted(p.name for p in (ml / "input/data/shards").iterdir())
        assert (ml / "input/data/common/classes").exists()
        if mine == first:
            with socket.create_server((mine, 29400)) as listener:
                peer, _ = listener.accept()
                theirs = json.loads(peer.recv(1000))
            (ml / "model/both").write_text(json.dumps([shards, theirs]))
        else:
            for _ in range(100):
                try:
                    with socket.create_connection((first, 29400)) as peer:
                        peer.sendall(json.dumps(shards).encode())
                    break
                except OSError:
                    time.sleep(0.05)
            (ml / "model/other").write_text(mine)
        """
    )
    job = jobs.run(
        environment,
        ResourceConfig={"InstanceCount": 2},
        InputDataConfig=[
            jobs.channel("shards", "shards", S3DataDistributionType="ShardedByS3Key"),
            jobs.channel("common", "common", S3DataDistributionType="FullyReplicated"),
        ],
    )
    model = jobs.packed(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert json.loads(model["both"]) == [["0.tar", "2.tar", "4.tar"], ["1.tar", "3.tar"]]
    assert "other" in model


def test_one_host_that_fails_ends_the_others(jobs: Jobs, program: Program) -> None:
    environment = program(
        """
        if here["current_host"] != here["hosts"][0]:
            sys.exit(7)
        time.sleep(900)
        """
    )
    job = jobs.run(environment, "Failed", ResourceConfig={"InstanceCount": 2})
    assert job["FailureReason"].endswith("exit code: 7")
    assert job["TrainingTimeInSeconds"] < 300


def test_a_manifest_names_the_objects(jobs: Jobs, program: Program) -> None:
    for name in ("a", "b", "c"):
        jobs.put(f"named/{name}", name.encode())
    manifest = [{"prefix": f"s3://{jobs.bucket}/named/"}, "a", "c"]
    jobs.put("manifest.json", json.dumps(manifest).encode())
    job = jobs.run(
        program(
            '(ml / "model/names").write_text(str(sorted(os.listdir(ml / "input/data/training"))))'
        ),
        InputDataConfig=[jobs.channel("manifest.json", S3DataType="ManifestFile")],
    )
    model = jobs.packed(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert model == {"names": b"['a', 'c']"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"TrainingJobName": "not a name"}, "trainingJobName.*regular expression"),
        ({"ResourceConfig": {"InstanceType": "ml.none"}}, "instanceType.*enum value set"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "maxRuntimeInSeconds.*greater than"),
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds"),
        ({"HyperParameters": {str(n): "" for n in range(101)}}, "hyperParameters.*length less"),
    ],
)
def test_what_aws_refuses_is_refused(
    jobs: Jobs, program: Program, change: dict[str, Any], complaint: str
) -> None:
    unchecked = QUICK.merge(Config(parameter_validation=False))
    client = jobs.aws.client("sagemaker", unchecked)
    request = jobs.request(program("pass")) | change
    with pytest.raises(ClientError, match=f"ValidationException.*{complaint}"):
        client.create_training_job(**request)


def test_a_channel_without_objects_is_refused(jobs: Jobs, program: Program) -> None:
    with pytest.raises(ClientError, match=r"No S3 objects found under S3 URL .*nothing"):
        jobs.start(program("pass"), InputDataConfig=[jobs.channel("nothing/")])


def test_names_are_unique_and_jobs_are_listed(jobs: Jobs, program: Program) -> None:
    mark = uuid.uuid4().hex[:6]
    names = [f"list-{mark}-{number}" for number in range(3)]
    for name in names:
        jobs.run(program("pass"), TrainingJobName=name, Tags=[{"Key": "of", "Value": name}])
    with pytest.raises(ClientError, match="ResourceInUse"):
        jobs.start(program("pass"), TrainingJobName=names[0])
    pages = jobs.sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains=mark, SortBy="Name", SortOrder="Ascending", MaxResults=2
    )
    found = [[each["TrainingJobName"] for each in page["TrainingJobSummaries"]] for page in pages]
    assert found == [names[:2], names[2:]]
    failed = jobs.sagemaker.list_training_jobs(NameContains=mark, StatusEquals="Failed")
    assert failed["TrainingJobSummaries"] == []
    tags = jobs.sagemaker.list_tags(ResourceArn=jobs.describe(names[1])["TrainingJobArn"])
    assert tags["Tags"] == [{"Key": "of", "Value": names[1]}]
    with pytest.raises(ClientError, match="Requested resource not found"):
        jobs.describe("nobody")


def test_jobs_and_what_they_made_outlive_a_restart(program: Program, tmp_path: Path) -> None:
    with control(tmp_path / "state") as aws:
        jobs = Jobs(aws)
        done = jobs.run(program('(ml / "model/a").write_text("kept")'))
        name = jobs.start(program('print("up", flush=True); time.sleep(600)'))
        jobs.until(name, "Training")
        wait_until(lambda: "up" in jobs.logged(name))
    with control(tmp_path / "state") as again:
        jobs.aws, bucket = again, jobs.bucket
        jobs.sagemaker, jobs.s3 = again.client("sagemaker"), again.client("s3")
        known = jobs.describe(done["TrainingJobName"])
        assert known["TrainingJobStatus"] == "Completed"
        assert known["TrainingEndTime"] == done["TrainingEndTime"]
        model = known["ModelArtifacts"]["S3ModelArtifacts"]
        assert model.startswith(f"s3://{bucket}/")
        assert jobs.packed(model) == {"a": b"kept"}
        lost = jobs.describe(name)
        assert lost["TrainingJobStatus"] == "Failed"
        assert "local AWS ended" in lost["FailureReason"]
