"""The fleet on an emulated EC2: whatever happens, no instance of it is left."""

import io
import json
import signal
import tarfile
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from rich.console import Console

from kennel.errors import UserError
from kennel.outputs import Outputs
from kennel.runs import fleet
from kennel.runs import nodes as ending
from kennel.runs.nodes import TAG
from tests.contract.command.jobs.conftest import MACHINE_IMAGE, PREFIX, Account, push_image

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
    answer = found.ec2.create_launch_template(
        LaunchTemplateName="fleet",
        LaunchTemplateData={"ImageId": MACHINE_IMAGE, "InstanceType": "g5.xlarge"},
    )
    found.logs.create_log_group(logGroupName=GROUP)
    account.outputs["platform"]["fleet"] = {
        "data_uri": f"s3://{PREFIX}-data/dogs",
        "gpus": True,
        "image": push_image(account.aws, "fleet"),
        "instance_type": "g5.xlarge",
        "launch_template_id": answer["LaunchTemplate"]["LaunchTemplateId"],
        "log_group_name": GROUP,
        "max_count": 2,
        "max_minutes": 360,
        "min_count": 2,
        "output_uri": OUTPUT,
        "spot": True,
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
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    assert nodes.get(run, "hyperparameters.json") == {"epochs": "3"}
    nodes.say(run, "event=epoch epoch=1 epochs=3 valid_accuracy=0.5 images_per_second=9")
    nodes.finish(run)
    out, said = process.communicate(timeout=300)
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
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert nodes.alive() == []


@pytest.mark.parametrize("place", ["1", "boot-1"])
def test_a_failed_run_says_what_its_container_or_its_boot_script_said(
    account: Account, nodes: Nodes, place: str
) -> None:
    process = account.start("train", "--where", "ec2")
    run = begun(process)
    nodes.put(run, f"output/{place}/failure", b"class 007.pug is empty")
    nodes.ec2.terminate_instances(InstanceIds=nodes.alive())
    _, said = process.communicate(timeout=300)
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


def test_what_a_run_asks_for_reaches_its_nodes_and_the_run_that_resumes_it(
    account: Account, nodes: Nodes
) -> None:
    nodes.s3.put_object(Bucket=f"{PREFIX}-data", Key="cats/train/tabby/1.jpg", Body=b"picture")
    image = account.outputs["platform"]["fleet"]["image"]
    wishes = ("--nodes", "1", "--hours", "0.5", "--on-demand", "--instance-type", "g5.2xlarge")
    asked = ("train", "cats", "--where", "ec2", "--image", image, *wishes, "--detach")
    name = account.json(*asked)["name"]
    [instance] = nodes.alive()
    [group] = nodes.ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    [node] = group["Instances"]
    assert node["InstanceType"] == "g5.2xlarge"
    assert node.get("InstanceLifecycle") != "spot"
    tags = {e["Key"]: e["Value"] for e in node["Tags"] if e["Key"].startswith("kennel:")}
    del tags[TAG]
    assert tags == {
        "kennel:data": f"s3://{PREFIX}-data/cats/",
        "kennel:image": image,
        "kennel:minutes": "30",
        "kennel:nodes": "1",
    }
    account.kennel("jobs", "stop", name)
    resumed = json.loads(
        account.kennel("train", "--where", "ec2", "--resume", name, "--dry-run").stdout
    )
    assert {"Key": "kennel:data", "Value": f"s3://{PREFIX}-data/cats/"} in resumed[
        "TagSpecifications"
    ][0]["Tags"]
    assert resumed["InstanceMarketOptions"]["MarketType"] == "spot", "as Terraform says"


def test_what_the_nodes_could_not_do_starts_none(account: Account, nodes: Nodes) -> None:
    said = account.kennel("train", "no-such-set", "--where", "ec2", code=1).stderr
    assert f"there is nothing at s3://{PREFIX}-data/no-such-set/" in said
    image = account.outputs["platform"]["fleet"]["image"]
    gone = image.partition("@")[0] + f"@sha256:{'0' * 64}"
    said = account.kennel("train", "--where", "ec2", "--image", gone, code=1).stderr
    assert f"ECR has no image {gone}" in said
    assert nodes.alive() == []


class Slow:
    """An EC2 whose network is away for some calls, and that knows a new node only later."""

    def __init__(self, refusals: int = 0, known: float = 0.0, listed: float = 0.0) -> None:
        self.refusals, self.known, self.listed = refusals, known, listed
        self.now, self.ended = 0.0, list[str]()

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def get_paginator(self, _: str) -> "Slow":
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        if self.refusals:
            self.refusals -= 1
            raise EndpointConnectionError(endpoint_url="https://ec2")
        hidden = self.ended or self.now < self.listed
        return [{"Reservations": [{"Instances": [] if hidden else [{"InstanceId": "i-1"}]}]}]

    def terminate_instances(self, InstanceIds: list[str]) -> None:  # noqa: N803
        if self.now < self.known:
            raise refusal("InvalidInstanceID.NotFound")
        self.ended += InstanceIds


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "so it is"}}, "RunInstances")


def end(ec2: Slow, *ids: str) -> str:
    """What is said while the nodes are ended, by EC2's clock."""
    nodes, said = ending.Nodes("call", 1, set(ids), listed=ending.STARTING), io.StringIO()
    console = Console(file=said, width=200)
    ending.end_surely(ec2, nodes, console, clock=lambda: ec2.now, sleep=ec2.sleep)
    return said.getvalue()


def test_a_lost_network_does_not_keep_the_nodes_alive() -> None:
    ec2 = Slow(refusals=4)
    assert "trying again" in end(ec2)
    assert ec2.ended == ["i-1"]
    said = end(Slow(refusals=100))
    assert "nodes may still run" in said
    assert "kennel:run=call" in said


def test_nodes_that_ec2_does_not_list_yet_are_ended_by_their_ids() -> None:
    ec2 = Slow(listed=1000)
    end(ec2, "i-1")
    assert (ec2.ended, ec2.now) == (["i-1"], 0), "at once"
    ec2 = Slow(known=20, listed=1000)
    assert "looking for" in end(ec2, "i-1")
    assert ec2.ended == ["i-1"]


def test_nodes_whose_answer_was_lost_are_looked_for_until_ec2_lists_them() -> None:
    ec2 = Slow(listed=60)
    end(ec2)
    assert ec2.ended == ["i-1"]
    assert 60 <= ec2.now < 70, "and no longer"
    ec2 = Slow(listed=1000)
    end(ec2)
    assert (ec2.ended, ec2.now) == ([], ending.STARTING), "none was started"


@pytest.mark.parametrize(
    ("error", "most"),
    [
        (KeyboardInterrupt(), 2),
        (EndpointConnectionError(endpoint_url="https://ec2"), 2),
        (refusal("Unavailable"), 2),
        (refusal("InsufficientInstanceCapacity"), 0),
        (refusal("UnauthorizedOperation"), 0),
    ],
)
def test_what_can_have_been_started_without_an_answer(error: BaseException, most: int) -> None:
    class Broken:
        def run_instances(self) -> None:
            raise error

    nodes, before = ending.Nodes("call", 2), time.monotonic()
    with pytest.raises(type(error)):
        ending.launched(Broken(), {}, nodes)
    assert nodes.most == most
    assert nodes.listed >= before + ending.STARTING


def test_the_ids_of_an_answer_are_kept() -> None:
    class Quick:
        def run_instances(self) -> dict[str, Any]:
            return {"Instances": [{"InstanceId": "i-1"}, {"InstanceId": "i-2"}]}

    nodes = ending.Nodes("call", 4)
    ending.launched(Quick(), {}, nodes)
    assert (nodes.ids, nodes.most) == ({"i-1", "i-2"}, 2)


def test_a_stop_that_ec2_does_not_take_yet_is_no_success(account: Account, nodes: Nodes) -> None:
    assert nodes.alive() == []
    run = fleet.FleetRun("r-1", Outputs("platform", account.outputs["platform"]))
    run.ec2 = Slow(known=20)
    run._record = {"instances": ["i-1"], "at": time.time()}
    with pytest.raises(UserError, match="kennel jobs stop r-1` again"):
        run.stop()
    run._record["at"] -= ending.STARTING
    run.stop()
