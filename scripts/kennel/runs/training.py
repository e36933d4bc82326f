"""A training job of SageMaker: what is asked for, how it goes, what it leaves."""

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kennel import aws, s3
from kennel.errors import UserError
from kennel.network import create
from kennel.outputs import Outputs
from kennel.runs import results
from kennel.runs.logs import Line, Tail
from kennel.runs.run import Result, Status

LOG_GROUP = "/aws/sagemaker/TrainingJobs"  # SageMaker's own name for it
NUMBER = r"([0-9.eE+-]+)"
# What CloudWatch and tuning jobs read off the trainer's epoch lines.
METRICS = [
    {"Name": name, "Regex": f"event=epoch .*{name}={NUMBER}"}
    for name in ("train_loss", "valid_accuracy", "images_per_second")
]
# With disks of their own, which are encrypted in hardware: SageMaker refuses a key for them.
LOCAL_DISKS = re.compile(r"^ml\.(g4dn|g5|g6e?|p3dn|p4de?|p5\w*|trn\w*|[cmr]\d\w*d\w?)\.")


@dataclass(frozen=True)
class Order:
    """What the user may choose of a job; the rest are the platform's defaults."""

    image: str
    data: str  # s3://bucket/prefix
    settings: Mapping[str, str]
    commit: str = "unknown"
    nodes: int | None = None
    instance_type: str | None = None
    hours: float | None = None
    spot: bool | None = None
    pretrained: str = ""  # s3://.../weights.safetensors
    sharded: bool = False
    resume: str = ""  # name of a job whose checkpoints to go on from


def new_name(defaults: Mapping[str, Any], about: str) -> str:
    """Within SageMaker's 63 characters, and under the prefix that the role's trust allows."""
    plain = re.sub(r"[^a-z0-9]+", "-", about.lower()).strip("-")[:20].strip("-") or "job"
    stamp = time.strftime("%m%d-%H%M%S", time.gmtime())
    return f"{defaults['name_prefix']}{plain}-{stamp}-{secrets.token_hex(1)}"


def key_of_disks(instance_type: str, key: str) -> dict[str, str]:
    """How a request has the disks of its instances encrypted, where they are not by themselves."""
    return {} if LOCAL_DISKS.match(instance_type) else {"VolumeKmsKeyId": key}


def definition(order: Order, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What training jobs and the jobs of a tuning job have in common."""
    instance_type = order.instance_type or defaults["instance_type"]
    resources: dict[str, Any] = {
        "InstanceType": instance_type,
        "InstanceCount": order.nodes or int(defaults["instance_count"]),
        "VolumeSizeInGB": int(defaults["volume_gb"]),
    }
    resources |= key_of_disks(instance_type, defaults["kms_key_arn"])
    spot = bool(defaults["spot"]) if order.spot is None else order.spot
    seconds = int(order.hours * 3600) if order.hours else int(defaults["max_runtime"])
    stopping = {"MaxRuntimeInSeconds": seconds}
    if spot:
        stopping["MaxWaitTimeInSeconds"] = 2 * seconds
    channels = [channel("training", order.data, sharded=order.sharded)]
    if order.pretrained:
        channels.append(channel("pretrained", order.pretrained))
    return {
        "AlgorithmSpecification": {
            "TrainingImage": order.image,
            "TrainingInputMode": "File",
            "MetricDefinitions": METRICS,
        },
        "RoleArn": defaults["role_arn"],
        "InputDataConfig": channels,
        "OutputDataConfig": {
            "S3OutputPath": defaults["output_s3_uri"],
            "KmsKeyId": defaults["kms_key_arn"],
        },
        "ResourceConfig": resources,
        "StoppingCondition": stopping,
        "EnableManagedSpotTraining": spot,
        "EnableNetworkIsolation": bool(defaults["isolated"]),
        "VpcConfig": {
            "SecurityGroupIds": list(defaults["security_group_ids"]),
            "Subnets": list(defaults["subnet_ids"]),
        },
        "Environment": {"KENNEL_GIT_COMMIT": order.commit},
    }


def channel(name: str, uri: str, *, sharded: bool = False) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": uri,
        "S3DataDistributionType": "ShardedByS3Key" if sharded else "FullyReplicated",
    }
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def request(name: str, order: Order, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The whole of CreateTrainingJob."""
    checkpoints = f"{defaults['checkpoint_s3_uri']}/{order.resume or name}"
    return definition(order, defaults) | {
        "TrainingJobName": name,
        "HyperParameters": dict(order.settings),
        "CheckpointConfig": {"S3Uri": checkpoints},
        "Tags": [{"Key": "Project", "Value": defaults["name_prefix"].rstrip("-")}],
    }


def start(request: Mapping[str, Any], platform: Outputs) -> "TrainingJob":
    create(aws.client("sagemaker", platform.region).create_training_job, request)
    return TrainingJob(str(request["TrainingJobName"]), platform)


class TrainingJob:
    """One that was started, now or long ago; all that is known of it, SageMaker knows."""

    where = "sagemaker"

    def __init__(self, name: str, platform: Outputs) -> None:
        self.name, self.region = name, platform.region
        self.sagemaker = aws.client("sagemaker", self.region)
        self._tail = Tail(aws.client("logs", self.region), LOG_GROUP, f"{name}/")

    def describe(self) -> dict[str, Any]:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - slow to import

        try:
            return dict(self.sagemaker.describe_training_job(TrainingJobName=self.name))
        except ClientError as error:
            if "not found" in str(error).lower() or "could not find" in str(error).lower():
                raise UserError(
                    f"there is no training job {self.name} in {self.region}: `kennel jobs list` "
                    "lists them"
                ) from error
            raise

    def status(self) -> Status:
        return status_of(self.describe())

    def lines(self) -> Sequence[Line]:
        return self._tail.lines()

    def stop(self) -> None:
        self.sagemaker.stop_training_job(TrainingJobName=self.name)

    def collect(self, folder: Path) -> Result:
        description = self.describe()
        client = aws.client("s3", self.region)
        model_data = description["ModelArtifacts"]["S3ModelArtifacts"]
        root = model_data.rpartition("/")[0]
        if s3.exists(client, f"{root}/output.tar.gz"):
            results.unpack(s3.read(client, f"{root}/output.tar.gz"), folder)
        return results.result(model_data, folder)


def status_of(description: Mapping[str, Any]) -> Status:
    resources = description.get("ResourceConfig", {})
    state = description["TrainingJobStatus"]
    transitions = description.get("SecondaryStatusTransitions") or [{}]
    message = transitions[-1].get("StatusMessage", "")
    detail = description.get("SecondaryStatus", state)
    began = description.get("CreationTime")
    return Status(
        state="InProgress" if state == "Stopping" else state,
        detail=f"{detail}: {message}" if message and message != detail else detail,
        reason=description.get("FailureReason", ""),
        instance_type=resources.get("InstanceType", ""),
        instances=int(resources.get("InstanceCount", 1)),
        seconds=float(billed(description)),
        spot=bool(description.get("EnableManagedSpotTraining")),
        began=began.isoformat(timespec="seconds") if began else "",
    )


def billed(description: Mapping[str, Any]) -> float:
    """Seconds of each instance; before the end, those since the start."""
    if "BillableTimeInSeconds" in description:
        return float(description["BillableTimeInSeconds"])
    started = description.get("TrainingStartTime")
    ended = description.get("TrainingEndTime")
    if not started:
        return 0.0
    return max(0.0, float((ended.timestamp() if ended else time.time()) - started.timestamp()))


def recent(platform: Outputs, most: int) -> list[dict[str, Any]]:
    """The stack's latest jobs, those of tuning jobs among them."""
    answer = aws.client("sagemaker", platform.region).list_training_jobs(
        NameContains=platform["training_job"]["name_prefix"],
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=min(100, most),
    )
    return list(answer["TrainingJobSummaries"])
