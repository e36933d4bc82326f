"""The fleet on an emulated EC2: whatever happens, no instance of it is left."""

import io
import json
import signal
import tarfile
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from kennel.runs import fleet
from tests.contract.command.jobs.conftest import PREFIX, Account

OUTPUT = f"s3://{PREFIX}-models/fleet"
GROUP = f"/kennel/{PREFIX}/fleet"
RELEASE = {
    "manifest": {
        "name": "dogs",
        "version": "0a1b2c3d4e5f",
        "classes": ["cat", "dog"],
        "metrics": {"fp32": {"test_accuracy": 0.75}},
    },
    "examples": [],
}


class Nodes:
    """What the boot script would do on the nodes: it writes to S3 and to the log, and ends them."""

    def __init__(self, account: Account) -> None:
        self.ec2, self.s3 = account.aws.client("ec2"), account.aws.client("s3")
        self.logs = account.aws.client("logs")

    def alive(self) -> list[str]:
        answer = self.ec2.describe_instances(
            Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        )
        return [e["InstanceId"] for group in answer["Reservations"] for e in group["Instances"]]

    def put(self, run: str, name: str, body: bytes) -> None:
        self.s3.put_object(Bucket=f"{PREFIX}-models", Key=f"fleet/{run}/{name}", Body=body)

    def get(self, run: str, name: str) -> Any:
        found = self.s3.get_object(Bucket=f"{PREFIX}-models", Key=f"fleet/{run}/{name}")
        return json.loads(found["Body"].read())

    def say(self, run: str, text: str) -> None:
        place = {"logGroupName": GROUP, "logStreamName": f"{run}-0"}
        self.logs.create_log_stream(**place)
        now = int(time.time() * 1000)
        self.logs.put_log_events(**place, logEvents=[{"timestamp": now, "message": text}])

    def finish(self, run: str) -> None:
        self.put(run, "output/0/data/release.json", json.dumps(RELEASE).encode())
        self.put(run, "output/0/data/report.html", b"<!doctype html>")
        packed = io.BytesIO()
        tarfile.open(fileobj=packed, mode="w:gz").close()
        self.put(run, "model.tar.gz", packed.getvalue())
        self.ec2.terminate_instances(InstanceIds=self.alive())


@pytest.fixture(scope="module")
def nodes(account: Account) -> Iterator[Nodes]:
    """The platform has a fleet of two."""
    found = Nodes(account)
    image = found.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    answer = found.ec2.create_launch_template(
        LaunchTemplateName="fleet",
        LaunchTemplateData={"ImageId": image, "InstanceType": "g5.xlarge"},
    )
    found.logs.create_log_group(logGroupName=GROUP)
    account.outputs["platform"]["fleet"] = {
        "launch_template_id": answer["LaunchTemplate"]["LaunchTemplateId"],
        "log_group_name": GROUP,
        "max_count": 2,
        "min_count": 2,
        "output_uri": OUTPUT,
    }
    account.save()
    yield found
    account.outputs["platform"]["fleet"] = None
    account.save()


def begun(process: Any) -> str:
    """The run's name, once its nodes run."""
    said = []
    for line in process.stderr:
        said.append(line)
        if "fleet run" in line:
            return str(line.split()[2].rstrip(":"))
    raise AssertionError("".join(said))


def test_a_run_is_followed_brought_home_and_costed(account: Account, nodes: Nodes) -> None:
    process = account.start("train", "--where", "ec2", "--set", "epochs=3", "--json")
    run = begun(process)
    assert len(nodes.alive()) == 2
    while "hyperparameters.json" not in str(
        nodes.s3.list_objects_v2(Bucket=f"{PREFIX}-models", Prefix=f"fleet/{run}")
    ):
        time.sleep(0.1)
    assert nodes.get(run, "hyperparameters.json") == {"epochs": "3"}
    nodes.say(run, "event=epoch epoch=1 epochs=3 valid_accuracy=0.5 images_per_second=9")
    nodes.finish(run)
    out, said = process.communicate(timeout=90)
    assert process.returncode == 0, said
    outcome = json.loads(out)
    assert "epoch   1/3" in said
    assert "2 x g5.xlarge" in said
    assert outcome["model_data"] == f"{OUTPUT}/{run}/model.tar.gz"
    assert (account.home / outcome["report"]).read_text() == "<!doctype html>"
    assert outcome["release"] == 1
    assert nodes.alive() == []
    listed = account.json("jobs", "list")["jobs"]
    assert [each["state"] for each in listed if each["name"] == run] == ["Completed"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_no_signal_leaves_a_node(account: Account, nodes: Nodes, number: signal.Signals) -> None:
    process = account.start("train", "--where", "ec2")
    begun(process)
    assert len(nodes.alive()) == 2
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert nodes.alive() == []


def test_a_failed_run_says_what_its_container_said(account: Account, nodes: Nodes) -> None:
    process = account.start("train", "--where", "ec2")
    run = begun(process)
    nodes.put(run, "output/1/failure", b"class 007.pug is empty")
    nodes.ec2.terminate_instances(InstanceIds=nodes.alive())
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "class 007.pug is empty" in said


def test_one_that_is_detached_goes_on_until_it_is_stopped(account: Account, nodes: Nodes) -> None:
    name = account.json("train", "--where", "ec2", "--detach")["name"]
    assert len(nodes.alive()) == 2
    account.kennel("jobs", "stop", name)
    assert nodes.alive() == []


def test_a_start_that_fails_halfway_leaves_nothing(account: Account, nodes: Nodes) -> None:
    """The nodes were started, but S3 does not take what they wait for: the bucket is gone."""
    broken = account.outputs["platform"]["fleet"] | {"output_uri": "s3://no-such-bucket/fleet"}
    account.outputs["platform"]["fleet"] = broken
    account.save()
    try:
        failed = account.kennel("train", "--where", "ec2", code=1)
    finally:
        account.outputs["platform"]["fleet"] = broken | {"output_uri": OUTPUT}
        account.save()
    assert "NoSuchBucket" in failed.stderr
    assert nodes.alive() == []


def test_spot_capacity_that_was_taken_back_is_told_from_other_ends() -> None:
    taken = {"StateReason": {"Code": "Server.SpotInstanceTermination"}}
    assert fleet.lost_to_spot(taken)
    assert not fleet.lost_to_spot({"StateReason": {"Code": "Client.UserInitiatedShutdown"}})
    assert not fleet.lost_to_spot({})


def test_a_wish_that_only_terraform_can_grant_is_refused(account: Account, nodes: Nodes) -> None:
    assert "fleet.nodes" in account.kennel("train", "--where", "ec2", "--nodes", "5", code=1).stderr
    assert "terraform/platform" in account.kennel("train", "d", "--where", "ec2", code=1).stderr
    assert nodes.alive() == []


class Reluctant:
    """An EC2 whose network is away for some calls."""

    def __init__(self, refusals: int) -> None:
        self.refusals, self.ended = refusals, list[str]()

    def get_paginator(self, _: str) -> "Reluctant":
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        from botocore.exceptions import EndpointConnectionError

        if self.refusals:
            self.refusals -= 1
            raise EndpointConnectionError(endpoint_url="https://ec2")
        left = [] if self.ended else [{"InstanceId": "i-1"}]
        return [{"Reservations": [{"Instances": left}]}]

    def terminate_instances(self, InstanceIds: list[str]) -> None:  # noqa: N803
        self.ended += InstanceIds


def test_a_lost_network_does_not_keep_the_nodes_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    ec2, said = Reluctant(refusals=4), io.StringIO()
    fleet.end_surely(ec2, "call", Console(file=said, width=200))
    assert ec2.ended == ["i-1"]
    ec2 = Reluctant(refusals=100)
    fleet.end_surely(ec2, "call", Console(file=said, width=200))
    assert "nodes may still run" in said.getvalue()
    assert "kennel:run=call" in said.getvalue()
