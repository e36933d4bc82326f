"""The machines of a training job: what a container finds under /opt/ml, and what it says there."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kennel.local.aws.bucket import Bucket, Entry, Mirror, Place, share_of
from kennel.local.aws.joblog import Stream, Tail
from kennel.local.aws.running.runner import Running


@dataclass
class Host:
    """One of the job's machines."""

    name: str
    root: Path
    running: Running | None = None
    mirror: Mirror | None = None
    tail: Tail | None = None
    stream: Stream | None = None

    @property
    def code(self) -> int | None:
        return self.running.exit_code() if self.running else None


def prepare(hosts: Sequence[Host], job: Mapping[str, Any], interface: str, bucket: Bucket) -> None:
    """All folders and files that a container finds, on each host."""
    names = [host.name for host in hosts]
    channels = [(each, channel_entries(bucket, each)) for each in job.get("InputDataConfig") or []]
    for number, host in enumerate(hosts):
        for folder in ("model", "output/data", "input/data", "input/config", "checkpoints"):
            (host.root / folder).mkdir(parents=True)
        configure(host, names, interface, job)
        for channel, entries in channels:
            mine = share_of(entries, number, len(hosts)) if is_sharded(channel) else entries
            where = host.root / "input/data" / channel["ChannelName"]
            bucket.fetch(mine, where, unzip=channel.get("CompressionType") == "Gzip")
        host.mirror = mirrored(host, job, bucket)


def mirrored(host: Host, job: Mapping[str, Any], bucket: Bucket) -> Mirror | None:
    """The checkpoints of before, and what takes the next ones away."""
    config = job.get("CheckpointConfig")
    if not config:
        return None
    folder = host.root / local_path(config).removeprefix("/opt/ml/")
    mirror = Mirror(bucket, Place.of(config["S3Uri"]), folder)
    mirror.fetch()
    return mirror


def local_path(config: Mapping[str, Any]) -> str:
    return str(config.get("LocalPath") or "/opt/ml/checkpoints")


def configure(host: Host, names: Sequence[str], interface: str, job: Mapping[str, Any]) -> None:
    """Write the files under input/config."""
    kind = job["ResourceConfig"]["InstanceType"]
    group = "homogeneousCluster"
    documents: dict[str, Any] = {
        "hyperparameters": job.get("HyperParameters") or {},
        "resourceconfig": {
            "current_host": host.name,
            "current_instance_type": kind,
            "current_group_name": group,
            "hosts": list(names),
            "instance_groups": [
                {"instance_group_name": group, "instance_type": kind, "hosts": list(names)}
            ],
            "network_interface_name": interface,
        },
        "inputdataconfig": {
            each["ChannelName"]: described(each, job) for each in job.get("InputDataConfig") or []
        },
    }
    if config := job.get("CheckpointConfig"):
        documents["checkpointconfig"] = {"LocalPath": local_path(config)}
    for name, document in documents.items():
        path = host.root / "input/config" / f"{name}.json"
        path.write_text(json.dumps(document, indent=2))


def is_sharded(channel: Mapping[str, Any]) -> bool:
    source = channel["DataSource"]["S3DataSource"]
    return bool(source.get("S3DataDistributionType") == "ShardedByS3Key")


def channel_entries(bucket: Bucket, channel: Mapping[str, Any]) -> list[Entry]:
    source = channel["DataSource"]["S3DataSource"]
    return bucket.entries(source["S3Uri"], source["S3DataType"])


def described(channel: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, str]:
    """A channel in inputdataconfig.json; FastFile is written as File there."""
    mode = channel.get("InputMode") or job["AlgorithmSpecification"]["TrainingInputMode"]
    source = channel["DataSource"]["S3DataSource"]
    answer = {
        "ContentType": channel.get("ContentType", ""),
        "TrainingInputMode": "File" if mode == "FastFile" else mode,
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    return {name: value for name, value in answer.items() if value}


def reason_of(hosts: Sequence[Host]) -> str:
    """Of the first host that failed: what its failure file says, and its exit code."""
    for host in sorted(hosts, key=lambda each: not (host_said(each) and each.code)):
        if host.code:
            return f"AlgorithmError: {host_said(host)}, exit code: {host.code}"
    return "AlgorithmError"


def host_said(host: Host) -> str:
    with suppress(FileNotFoundError):
        return (host.root / "output/failure").read_text(errors="replace").strip()
    return ""
