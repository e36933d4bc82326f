"""Machines of EC2 that train together: started by one call, gone afterwards, whatever happens.

Terraform's output `fleet` names a launch template; the nodes' boot script reads the data, trains,
leaves everything under OUTPUT/RUN/ in S3 and ends the node. RUN is the id of the RunInstances call.
What we put there is what any machine needs to go on watching:

    run.json              who was started, with what
    hyperparameters.json  the settings; the nodes wait for it
    checkpoints/          of the run that was interrupted, for one that goes on from there

Each node ends at its deadline, which its boot script sets before anything else: even if this
process is killed, nothing runs on for ever.
"""

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console

from kennel import aws, quotas, s3
from kennel.errors import UserError
from kennel.outputs import Outputs
from kennel.runs import results
from kennel.runs.fleet_order import Order
from kennel.runs.logs import Line, Tail
from kennel.runs.nodes import STARTING, TAG, Nodes, alive, end, end_surely, launched
from kennel.runs.run import Result, Status

TAKEN_BACK = ("Server.SpotInstanceTermination", "Server.SpotInstanceShutdown")


class FleetRun:
    """One run of the fleet, found again by its id."""

    where = "ec2"

    def __init__(self, name: str, platform: Outputs) -> None:
        self.name, self.platform = name, platform
        self.fleet = fleet_of(platform)
        self.root = f"{self.fleet['output_uri']}/{name}"
        self.ec2 = aws.client("ec2", platform.region)
        self.s3 = aws.client("s3", platform.region)
        logs = aws.client("logs", platform.region)
        self._tail = Tail(logs, self.fleet["log_group_name"], f"{name}-")
        self._record: dict[str, Any] = {}

    @property
    def record(self) -> dict[str, Any]:
        """run.json: written once, when the instances had been started."""
        if not self._record:
            if not s3.exists(self.s3, f"{self.root}/run.json"):
                raise UserError(f"there is no run {self.name} at {self.root}: `kennel jobs list`")
            self._record = json.loads(s3.read(self.s3, f"{self.root}/run.json"))
        return self._record

    def instances(self) -> list[dict[str, Any]]:
        """Those that EC2 still knows; it forgets ended ones after an hour."""
        answer = self.ec2.describe_instances(
            Filters=[{"Name": "instance-id", "Values": self.record["instances"]}]
        )
        return [each for group in answer["Reservations"] for each in group["Instances"]]

    def status(self) -> Status:
        known = self.instances()
        states = [each["State"]["Name"] for each in known]
        alive = [state for state in states if state in ("pending", "running")]
        young = time.time() - self.record["at"] < STARTING and not known
        done = s3.exists(self.s3, f"{self.root}/model.tar.gz")
        state, reason = "InProgress", ""
        if not alive and not young:
            state, reason = ("Completed", "") if done else ("Failed", self._reason(known))
        elif any(lost_to_spot(each) for each in known):
            state, reason = "Failed", INTERRUPTED
        return Status(
            state=state,
            detail=state if state != "InProgress" else f"nodes {', '.join(states) or 'pending'}",
            reason=reason,
            instance_type=self.record["instance_type"],
            instances=len(self.record["instances"]),
            seconds=self._seconds(ended=bool(reason) or done),
            spot=bool(self.record["spot"]),
            began=self.record["began"],
        )

    def _seconds(self, *, ended: bool) -> float:
        """From the start to the last thing a node has left, or to now."""
        if not ended:
            return float(time.time() - self.record["at"])
        bucket, prefix = s3.split(f"{self.root}/")
        objects = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        last = max((each["LastModified"].timestamp() for each in objects), default=0.0)
        return max(0.0, float(last - self.record["at"]))

    def _reason(self, known: list[dict[str, Any]]) -> str:
        if any(lost_to_spot(each) for each in known):
            return INTERRUPTED
        for key, _ in s3.keys(self.s3, f"{self.root}/output/"):
            if key.endswith("/failure"):
                bucket, _ = s3.split(self.root)
                return s3.read(self.s3, f"s3://{bucket}/{key}").decode(errors="replace")
        return f"the nodes ended without a model; `kennel jobs logs {self.name}` may say why"

    def lines(self) -> Sequence[Line]:
        return self._tail.lines()

    def stop(self) -> None:
        ids = self.record["instances"]
        if len(end(self.ec2, ids)) < len(ids) and time.time() - self.record["at"] < STARTING:
            raise UserError(
                f"EC2 does not know all nodes of {self.name} yet: run `kennel jobs stop "
                f"{self.name}` again in a minute"
            )

    def collect(self, folder: Path) -> Result:
        for name in results.WANTED:
            uri = f"{self.root}/output/0/data/{name}"
            if s3.exists(self.s3, uri):
                s3.download(self.s3, uri, folder / name)
        return results.result(f"{self.root}/model.tar.gz", folder)


INTERRUPTED = "EC2 took Spot capacity back"


def lost_to_spot(instance: Mapping[str, Any]) -> bool:
    return instance.get("StateReason", {}).get("Code") in TAKEN_BACK


def fleet_of(platform: Outputs) -> dict[str, Any]:
    found = platform["fleet"]
    if not found:
        raise UserError(
            "the platform has no fleet: set `fleet` in terraform/platform/ENV.tfvars, with the "
            "usual data and training image, and apply it"
        )
    return dict(found)


@contextmanager
def started(
    platform: Outputs,
    settings: Mapping[str, str],
    console: Console,
    *,
    order: Order,
    resume: str = "",
    keep: bool = False,
) -> Iterator[FleetRun]:
    """A run of the fleet inside the block; no instance of it is left when the block is left.

    `keep` lets it go on after a block that ended well, for a user who watches it from elsewhere.
    """
    ec2 = aws.client("ec2", platform.region)
    fleet = fleet_of(platform)
    call = f"{platform['prefix']}-{secrets.token_hex(8)}"
    done = False
    alive(ec2, call)  # none yet; but who cannot ask could not know later that none was left
    asked = request(fleet, call, order)
    nodes = Nodes(call, int(asked["MaxCount"]))
    try:
        try:
            answer = launched(ec2, asked, nodes)
        except ClientError as error:
            raise of_quota(error, asked, fleet, platform.region) or error from None
        run = FleetRun(answer["ReservationId"], platform)
        run._record = record_of(answer, settings, order)
        if resume:
            copy_checkpoints(run.s3, f"{fleet['output_uri']}/{resume}", run.root)
        s3.write_json(run.s3, f"{run.root}/run.json", run.record)
        s3.write_json(run.s3, f"{run.root}/hyperparameters.json", dict(settings))
        yield run
        done = keep
    finally:
        if not done:
            end_surely(ec2, nodes, console)


def request(fleet: Mapping[str, Any], call: str, order: Order) -> dict[str, Any]:
    """RunInstances: all nodes or none, found again by the tag if the answer is lost."""
    tags = {TAG: call} | order.tags
    asked: dict[str, Any] = {
        "ClientToken": call,  # botocore may send it twice
        "MinCount": order.nodes or fleet["min_count"],
        "MaxCount": order.nodes or fleet["max_count"],
        "LaunchTemplate": {"LaunchTemplateId": fleet["launch_template_id"]},
        "TagSpecifications": [
            {
                "ResourceType": "instance",
                "Tags": [{"Key": name, "Value": value} for name, value in tags.items()],
            }
        ],
    }
    if order.instance_type:
        asked["InstanceType"] = order.instance_type
    if fleet.get("spot") if order.spot is None else order.spot:
        asked["InstanceMarketOptions"] = {
            "MarketType": "spot",
            "SpotOptions": {
                "SpotInstanceType": "one-time",
                "InstanceInterruptionBehavior": "terminate",
            },
        }
    return asked


def of_quota(
    error: ClientError, asked: Mapping[str, Any], fleet: Mapping[str, Any], region: str
) -> UserError | None:
    """AWS does not say which of its quotas it is."""
    kind, spot = asked.get("InstanceType") or fleet.get("instance_type"), "InstanceMarketOptions"
    if not kind or error.response["Error"]["Code"] not in quotas.SPENT:
        return None
    wanted = quotas.of_fleet(kind, asked["MaxCount"], region, spot=spot in asked)
    needed = f"{asked['MaxCount']} x {kind} count {wanted.least:g} in the quota {wanted.name}"
    return UserError(
        f"{aws.explain(error)}; {needed}: {quotas.request(wanted, wanted.code, region)}"
    )


def record_of(
    answer: Mapping[str, Any], settings: Mapping[str, str], order: Order
) -> dict[str, Any]:
    first = answer["Instances"][0]
    return {
        "instances": [each["InstanceId"] for each in answer["Instances"]],
        "instance_type": first["InstanceType"],
        "spot": first.get("InstanceLifecycle") == "spot",
        "at": time.time(),
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "hyperparameters": dict(settings),
        "order": asdict(order),
    }


def copy_checkpoints(client: Any, source: str, target: str) -> None:
    found = s3.keys(client, f"{source}/checkpoints/")
    if not found:
        raise UserError(f"{source} holds no checkpoint to go on from: start without --resume")
    bucket, prefix = s3.split(source)
    new_bucket, new_prefix = s3.split(target)
    for key, _ in found:
        client.copy_object(
            Bucket=new_bucket,
            Key=new_prefix + key.removeprefix(prefix),
            CopySource={"Bucket": bucket, "Key": key},
        )


def recent(platform: Outputs, most: int) -> list[FleetRun]:
    """The latest runs that S3 knows of, the newest first."""
    if not platform.get("fleet"):
        return []
    client = aws.client("s3", platform.region)
    root = fleet_of(platform)["output_uri"]
    bucket, _ = s3.split(root)
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=s3.split(f"{root}/")[1]
    )
    found = [
        (each["LastModified"], each["Key"].split("/")[-2])
        for page in pages
        for each in page.get("Contents", [])
        if each["Key"].endswith("/run.json")
    ]
    return [FleetRun(name, platform) for _, name in sorted(found, reverse=True)[:most]]
