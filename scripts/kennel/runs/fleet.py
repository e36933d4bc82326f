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
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from kennel import aws, s3
from kennel.errors import UserError
from kennel.outputs import Outputs
from kennel.runs import results
from kennel.runs.logs import Line, Tail
from kennel.runs.run import Result, Status

TAG = "kennel:run"  # on instances, with a value of its own for each call
TAKEN_BACK = ("Server.SpotInstanceTermination", "Server.SpotInstanceShutdown")
STARTING = 90.0  # seconds in which EC2 may not list yet what it has started
LOOK = 5.0  # seconds between looks for nodes that it does not list
TRIES = 10  # to end the nodes, before the user is asked to
# Answers to RunInstances that leave open whether an earlier try of the same call has started nodes.
UNDECIDED = ("InternalError", "InternalFailure", "RequestLimitExceeded", "ServiceUnavailable",
             "Throttling", "Unavailable")  # fmt: skip


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
            "prefix of the data and the training image, and apply it"
        )
    return dict(found)


def check_nodes(fleet: Mapping[str, Any], nodes: int | None) -> None:
    if nodes and nodes != fleet["max_count"]:
        raise UserError(
            f"the fleet has {fleet['max_count']} nodes, as its boot script knows: for {nodes} set "
            "fleet.nodes in terraform/platform/ENV.tfvars and apply it"
        )


@contextmanager
def started(
    platform: Outputs,
    settings: Mapping[str, str],
    console: Console,
    *,
    spot: bool | None = None,
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
    nodes = Nodes(call, int(fleet["max_count"]))
    try:
        answer = launched(ec2, request(fleet, call, spot=spot), nodes)
        run = FleetRun(answer["ReservationId"], platform)
        run._record = record_of(answer, settings)
        if resume:
            copy_checkpoints(run.s3, f"{fleet['output_uri']}/{resume}", run.root)
        s3.write_json(run.s3, f"{run.root}/run.json", run.record)
        s3.write_json(run.s3, f"{run.root}/hyperparameters.json", dict(settings))
        yield run
        done = keep
    finally:
        if not done:
            end_surely(ec2, nodes, console)


@dataclass
class Nodes:
    """What is known of the nodes of a call, from before it on: enough to end them all."""

    call: str
    most: int  # that can have been started
    ids: set[str] = field(default_factory=set)
    listed: float = 0.0  # by when EC2 lists all that it has started, on the monotonic clock


def launched(ec2: Any, asked: Mapping[str, Any], nodes: Nodes) -> dict[str, Any]:
    try:
        answer = dict(ec2.run_instances(**asked))
    except ClientError as error:
        if error.response["Error"]["Code"] not in UNDECIDED:
            nodes.most = 0
        raise
    finally:
        nodes.listed = time.monotonic() + STARTING
    nodes.ids = {each["InstanceId"] for each in answer["Instances"]}
    nodes.most = len(nodes.ids)
    return answer


def request(fleet: Mapping[str, Any], call: str, *, spot: bool | None) -> dict[str, Any]:
    """RunInstances: all nodes or none, found again by the tag if the answer is lost."""
    asked: dict[str, Any] = {
        "ClientToken": call,  # botocore may send it twice
        "MinCount": fleet["min_count"],
        "MaxCount": fleet["max_count"],
        "LaunchTemplate": {"LaunchTemplateId": fleet["launch_template_id"]},
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": TAG, "Value": call}]}],
    }
    if spot:
        asked["InstanceMarketOptions"] = {
            "MarketType": "spot",
            "SpotOptions": {
                "SpotInstanceType": "one-time",
                "InstanceInterruptionBehavior": "terminate",
            },
        }
    return asked


def record_of(answer: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    first = answer["Instances"][0]
    return {
        "instances": [each["InstanceId"] for each in answer["Instances"]],
        "instance_type": first["InstanceType"],
        "spot": first.get("InstanceLifecycle") == "spot",
        "at": time.time(),
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "hyperparameters": dict(settings),
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


def end(ec2: Any, ids: Iterable[str]) -> set[str]:
    """Terminate; which of them EC2 knew. Others are gone already, or too new."""
    known = sorted(ids)
    if not known:
        return set()
    try:
        ec2.terminate_instances(InstanceIds=known)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidInstanceID.NotFound":
            raise
        return set().union(*(end(ec2, [each]) for each in known)) if len(known) > 1 else set()
    return set(known)


def end_surely(
    ec2: Any,
    nodes: Nodes,
    console: Console,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """End all that the call started, through lost networks and impatience.

    EC2 may neither list a new node nor know its id yet: while some are missing it is asked again,
    until it lists all that it has started.
    """
    console.print("ending the nodes ...")
    ended, failures = set[str](), 0
    with undisturbed():
        while failures < TRIES:
            try:
                ended |= end(ec2, (nodes.ids - ended).union(alive(ec2, nodes.call)))
            except (BotoCoreError, ClientError) as error:
                console.print(f"the nodes are not ended yet ({error}); trying again")
                sleep(min(30.0, 2.0**failures))
                failures += 1
                continue
            left = nodes.listed - clock()
            if len(ended) >= nodes.most or left <= 0:
                return
            console.print(f"EC2 may have more that it does not list yet; looking for {left:.0f} s")
            sleep(min(LOOK, left))
    console.print(
        f"[bold red]nodes may still run[/]: those with the tag {TAG}={nodes.call}. Each ends at "
        "its own deadline; until then you pay for it. End them in the console of EC2."
    )


def alive(ec2: Any, call: str) -> list[str]:
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[
            {"Name": f"tag:{TAG}", "Values": [call]},
            {
                "Name": "instance-state-name",
                "Values": ["pending", "running", "stopping", "stopped"],
            },
        ]
    )
    return [
        each["InstanceId"]
        for page in pages
        for group in page["Reservations"]
        for each in group["Instances"]
    ]


@contextmanager
def undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not keep us from ending what costs money."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
