"""A fleet that loses its Spot capacity starts again from its last checkpoint, on moto's EC2."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from kennel import aws, train
from kennel.errors import Failed
from kennel.outputs import Outputs
from kennel.runs import fleet
from kennel.runs.follow import Watch
from tests.contract.command.jobs.conftest import MACHINE_IMAGE, PREFIX, platform_outputs
from tests.contract.local.conftest import ACCOUNT, REGION

BUCKET = f"{PREFIX}-models"


class Nodes:
    """The nodes act while the watcher sleeps: each run's in its turn, the last turn again."""

    def __init__(self, *turns: str) -> None:
        self.turns = list(turns)
        self.ec2, self.s3 = aws.client("ec2", REGION), aws.client("s3", REGION)
        self.runs: list[str] = []

    def act(self, _: float) -> None:
        for run in self.names():
            if run not in self.runs:
                self.runs.append(run)
                getattr(self, self.turns.pop(0) if len(self.turns) > 1 else self.turns[0])(run)

    def names(self) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix="fleet/").get("Contents", [])
        return [e["Key"].split("/")[1] for e in found if e["Key"].endswith("/run.json")]

    def put(self, run: str, name: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"fleet/{run}/{name}", Body=b"content")

    def checkpoints(self, run: str) -> list[str]:
        prefix = f"fleet/{run}/checkpoints/"
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return [each["Key"].removeprefix(prefix) for each in found]

    def lose_one(self, run: str) -> None:
        """Of two: the other runs on, and is paid for."""
        self.put(run, f"checkpoints/{len(self.runs)}.pt")
        self.lose_early(run)

    def lose_early(self, _: str) -> None:
        from moto.ec2.models import ec2_backends
        from moto.ec2.models.instances import StateReason

        lost = self.alive()[0]
        self.ec2.terminate_instances(InstanceIds=[lost])
        reason = StateReason("taken back", "Server.SpotInstanceTermination")
        ec2_backends[ACCOUNT][REGION].get_instance(lost).state_reason = reason

    def finish(self, run: str) -> None:
        self.put(run, "model.tar.gz")
        self.ec2.terminate_instances(InstanceIds=self.alive())

    def alive(self) -> list[str]:
        wanted = {"Name": "instance-state-name", "Values": ["pending", "running"]}
        answer = self.ec2.describe_instances(Filters=[wanted])
        return [e["InstanceId"] for group in answer["Reservations"] for e in group["Instances"]]


@pytest.fixture
def platform(moto: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Outputs:
    """With a fleet of two."""
    place = {"LocationConstraint": REGION}
    moto("s3", REGION).create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    ec2 = moto("ec2", REGION)
    template = ec2.create_launch_template(
        LaunchTemplateName="fleet",
        LaunchTemplateData={"ImageId": MACHINE_IMAGE, "InstanceType": "g5.xlarge"},
    )["LaunchTemplate"]
    described = {
        "launch_template_id": template["LaunchTemplateId"], "log_group_name": "/fleet",
        "max_count": 2, "max_minutes": 360, "min_count": 2,
        "output_uri": f"s3://{BUCKET}/fleet", "spot": True,
    }  # fmt: skip
    found = Outputs("platform", platform_outputs() | {"fleet": described})
    monkeypatch.setattr("kennel.outputs.read", lambda *_: found)
    return found


@pytest.fixture
def train_beside(monkeypatch: pytest.MonkeyPatch, platform: Outputs) -> Callable[[Nodes], None]:
    """`kennel train --where ec2`, while the nodes act."""
    assert platform

    def run(nodes: Nodes) -> None:
        monkeypatch.setattr(train, "Watch", partial(Watch, sleep=nodes.act))
        train.on_ec2(train.Wish(data="", settings={}, spot=True), "dev")

    return run


@pytest.fixture
def without_results(monkeypatch: pytest.MonkeyPatch) -> list[fleet.FleetRun]:
    """What would be brought home, in place of doing so."""
    ended: list[fleet.FleetRun] = []
    monkeypatch.setattr(train, "conclude", lambda run, *_: ended.append(run))
    return ended


def test_the_next_fleet_has_the_checkpoint_of_the_one_that_was_lost(
    train_beside: Callable[[Nodes], None], without_results: list[fleet.FleetRun]
) -> None:
    nodes = Nodes("lose_one", "lose_one", "finish")
    train_beside(nodes)
    first, second, third = nodes.runs
    assert nodes.checkpoints(first) == ["1.pt"]
    assert nodes.checkpoints(second) == ["1.pt", "2.pt"]
    assert nodes.checkpoints(third) == ["1.pt", "2.pt"]
    assert [each.name for each in without_results] == [third]
    assert without_results[0].status().state == "Completed"
    assert nodes.alive() == []


def test_one_that_is_lost_before_its_first_checkpoint_starts_anew(
    train_beside: Callable[[Nodes], None], without_results: list[fleet.FleetRun]
) -> None:
    nodes = Nodes("lose_early", "finish")
    train_beside(nodes)
    assert nodes.checkpoints(nodes.runs[1]) == []
    assert [each.name for each in without_results] == nodes.runs[1:]


def test_it_is_given_up_after_some_restarts_and_nothing_is_left(
    train_beside: Callable[[Nodes], None],
) -> None:
    nodes = Nodes("lose_one")
    with pytest.raises(Failed, match="EC2 took Spot capacity back; `kennel train --where ec2 --re"):
        train_beside(nodes)
    assert len(nodes.runs) == 1 + train.RESTARTS
    assert nodes.alive() == []
