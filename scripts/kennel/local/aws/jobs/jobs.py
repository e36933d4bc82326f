"""All training jobs: made, stopped, interrupted; those under way and what became of the others."""

import threading
from collections.abc import Mapping
from typing import Any

from moto.sagemaker.exceptions import ValidationError

from kennel.local.aws.bucket import Access, Bucket, Unreadable
from kennel.local.aws.house import House
from kennel.local.aws.jobs.hosts import channel_entries
from kennel.local.aws.jobs.records import Kind, Records
from kennel.local.aws.jobs.training import GRACE, Training, model_of

TRAINING = Kind(
    "TrainingJob",
    "training-job",
    (
        "TrainingJobName",
        "TrainingJobArn",
        "CreationTime",
        "TrainingEndTime",
        "LastModifiedTime",
        "TrainingJobStatus",
        "SecondaryStatus",
    ),
)


class TrainingJobs:
    def __init__(self, house: House) -> None:
        self._house = house
        self.records = Records(house, TRAINING)
        self._running: dict[str, Training] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def create(self, request: Mapping[str, Any], **more: Any) -> str:
        """Check what can be checked, and start. Returns the job's ARN."""
        check(request, self._house)
        name = request["TrainingJobName"]
        record = self.records.add(
            name,
            request,
            SecondaryStatus="Starting",
            EnableManagedSpotTraining=bool(request.get("EnableManagedSpotTraining")),
            EnableNetworkIsolation=bool(request.get("EnableNetworkIsolation")),
            EnableInterContainerTrafficEncryption=bool(
                request.get("EnableInterContainerTrafficEncryption")
            ),
            ModelArtifacts={"S3ModelArtifacts": model_of(request)},
            **more,
        )
        training = Training(self._house, self.records, name, lambda: self._forget(name))
        thread = threading.Thread(target=training.run, name=name, daemon=True)
        with self._lock:
            self._running[name] = training
            self._threads[name] = thread
        thread.start()
        return record.arn

    def stop(self, name: str) -> None:
        record = self.records.get(name)
        with self._lock:
            training = self._running.get(name)
        if record.status != "InProgress" or training is None:
            raise ValidationError(
                f"The request was rejected because the training job is in status {record.status}."
            )
        message = "Stopping the training job"
        self.records.move(name, "Stopping", message, TrainingJobStatus="Stopping")
        training.stop()

    def interrupt(self, name: str, grace: float = GRACE) -> None:
        """Take a job's Spot instances away."""
        record = self.records.get(name)
        if not record.document["EnableManagedSpotTraining"]:
            raise ValidationError(f"{name} does not use managed Spot training.")
        with self._lock:
            training = self._running.get(name)
        if record.document["SecondaryStatus"] != "Training" or training is None:
            raise ValidationError(f"{name} is not training: it cannot be interrupted.")
        training.interrupt(grace)

    def delete(self, name: str) -> None:
        if self.records.get(name).status == "InProgress":
            raise ValidationError(f"{name} is in progress: stop it before you delete it.")
        self.records.delete(name)

    def metric(self, name: str, metric: str) -> list[float]:
        """Its values so far, of a job that runs."""
        with self._lock:
            training = self._running.get(name)
        found = list(training.meter.found) if training else []
        return [value for each, value, _ in found if each == metric]

    def close(self) -> None:
        """End all at once; after a restart `Records.load` says what became of them."""
        with self._lock:
            threads = list(self._threads.values())
            for training in self._running.values():
                training.abandon()
        for thread in threads:
            thread.join(2)

    def _forget(self, name: str) -> None:
        with self._lock:
            self._running.pop(name, None)
            self._threads.pop(name, None)


def check(request: Mapping[str, Any], house: House) -> None:
    """What CreateTrainingJob refuses beyond the shapes, and what we do not emulate."""
    algorithm = request["AlgorithmSpecification"]
    if not algorithm.get("TrainingImage"):
        raise ValidationError("You must specify TrainingImage: algorithms are not emulated.")
    if "InstanceGroups" in request["ResourceConfig"]:
        raise ValidationError("Instance groups are not emulated: give InstanceType and -Count.")
    if "InstanceType" not in request["ResourceConfig"]:
        raise ValidationError("ResourceConfig needs InstanceType.")
    check_spot(request)
    bucket = Bucket(Access(house, request["RoleArn"], "SageMaker"))
    for channel in request.get("InputDataConfig") or []:
        check_channel(channel, algorithm["TrainingInputMode"])
        check_objects(channel, bucket, request["RoleArn"], house.region)


def check_spot(request: Mapping[str, Any]) -> None:
    limits = request["StoppingCondition"]
    most = limits.get("MaxWaitTimeInSeconds")
    if request.get("EnableManagedSpotTraining"):
        if most is None:
            raise ValidationError(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
                "MaxRuntimeInSeconds"
            )
        if most < limits.get("MaxRuntimeInSeconds", 86_400):
            raise ValidationError(
                "Invalid MaxWaitTimeInSeconds. It must be greater than or equal to "
                "MaxRuntimeInSeconds"
            )
    elif most is not None:
        raise ValidationError(
            "MaxWaitTimeInSeconds above 0 is not supported, when EnableManagedSpotTraining is false"
        )


def check_channel(channel: Mapping[str, Any], default: str) -> None:
    name = channel["ChannelName"]
    mode = channel.get("InputMode") or default
    if mode == "Pipe":
        raise ValidationError(f"Channel {name}: Pipe mode is not emulated; use File or FastFile.")
    if "S3DataSource" not in channel["DataSource"]:
        raise ValidationError(f"Channel {name}: only data in S3 is emulated.")
    kind = channel["DataSource"]["S3DataSource"]["S3DataType"]
    if kind not in ("S3Prefix", "ManifestFile"):
        raise ValidationError(f"Channel {name}: {kind} is not emulated.")


def check_objects(channel: Mapping[str, Any], bucket: Bucket, role: str, region: str) -> None:
    source = channel["DataSource"]["S3DataSource"]
    try:
        channel_entries(bucket, channel)
    except Unreadable as error:
        raise ValidationError(no_objects(source["S3Uri"], role, region)) from error


def no_objects(uri: str, role: str, region: str) -> str:
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that '
        f"the bucket exists in the selected region ({region}), that objects exist under that S3 "
        f'prefix, and that the role "{role}" has "s3:ListBucket" permissions on bucket '
        f'"{uri.split("/")[2]}".'
    )
