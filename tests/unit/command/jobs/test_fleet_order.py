"""What a run of the fleet may ask for, and what is refused by name before a node is started."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from kennel.errors import UserError
from kennel.runs import fleet_order
from kennel.runs.fleet_order import Order

REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kennel/train"
FLEET = {"image": f"{REPOSITORY}@sha256:2c26", "max_minutes": 360, "gpus": True}


def test_only_what_differs_is_told() -> None:
    assert Order().tags == {}
    assert Order(spot=False, instance_type="g5.xlarge").tags == {}, "these are in the call itself"
    assert Order(data="s3://data/cats/", nodes=4, minutes=90).tags == {
        "kennel:data": "s3://data/cats/",
        "kennel:minutes": "90",
        "kennel:nodes": "4",
    }


@pytest.mark.parametrize("minutes", [10, 360])
def test_an_order_at_every_limit_is_accepted_and_reaches_the_nodes_whole(minutes: int) -> None:
    image = f"{REPOSITORY}@sha256:{'9' * 64}"
    data = f"s3://data/{'a' * 245}/"
    assert len(data) == 256, "a tag of EC2 holds no more"
    weights = "s3://data/weights/resnet50.safetensors"
    order = Order(data, weights, image, "g5.2xlarge", minutes, 64, spot=False)
    fleet_order.check(order, FLEET, "data")
    assert order.tags == {
        "kennel:data": data,
        "kennel:pretrained": weights,
        "kennel:image": image,
        "kennel:minutes": str(minutes),
        "kennel:nodes": "64",
    }, "type and market are in the call itself"


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (Order(data="s3://elsewhere/cats/"), "may read s3://data only; copy it there"),
        (Order(pretrained="s3://data-too/w"), "pretrained s3://data-too/w: the nodes may read"),
        (Order(image="kennel/train:latest"), "fleet.image in terraform/platform"),
        (Order(image=f"{REPOSITORY}-2@sha256:2c26"), f"may pull {REPOSITORY}@sha256"),
        (Order(minutes=361), "ends after 6 h; for longer set fleet.max_minutes"),
        (Order(minutes=9), "10 minutes at least"),
        (Order(data=f"s3://data/{'a' * 256}/"), "kennel:data: a tag of EC2 holds 256"),
    ],
)
def test_what_they_cannot_do_is_refused_by_name(order: Order, said: str) -> None:
    with pytest.raises(UserError, match=said):
        fleet_order.check(order, FLEET, "data")


def test_a_fleet_of_an_older_platform_takes_no_orders() -> None:
    fleet_order.check(Order(), {}, "data")
    with pytest.raises(UserError, match="told of data, spot: `make plan apply STACK=platform`"):
        fleet_order.check(Order(data="s3://data/cats/", spot=False), {}, "data")


class Ec2:
    """Knows one type."""

    def __init__(self, architecture: str = "x86_64", strategy: str = "cluster", **more: Any):
        self.found = {
            "ProcessorInfo": {"SupportedArchitectures": [architecture]},
            "PlacementGroupInfo": {"SupportedStrategies": [strategy]},
        } | more

    def describe_instance_types(self, InstanceTypes: list[str]) -> dict[str, Any]:  # noqa: N803
        if InstanceTypes == ["g9.none"]:
            raise ClientError({"Error": {"Code": "InvalidInstanceType"}}, "DescribeInstanceTypes")
        return {"InstanceTypes": [self.found]}


@pytest.mark.parametrize(
    ("kind", "ec2", "said"),
    [
        ("ml.g5.xlarge", Ec2(), "is SageMaker's: EC2's is g5.xlarge"),
        ("g9.none", Ec2(), "no such type in this region"),
        ("g5g.xlarge", Ec2("arm64"), "no x86 machine"),
        ("t3.large", Ec2(strategy="spread"), "cannot stand in a cluster placement group"),
        ("c7i.xlarge", Ec2(), "has no GPU, .* set fleet.gpus"),
    ],
)
def test_a_type_that_cannot_be_a_node_is_refused(kind: str, ec2: Ec2, said: str) -> None:
    with pytest.raises(UserError, match=said):
        fleet_order.check_type(kind, FLEET, ec2)


def test_gpus_are_there_if_the_nodes_give_them_to_the_trainer() -> None:
    with_gpus = Ec2(GpuInfo={"Gpus": [{}]})
    fleet_order.check_type("g5.2xlarge", FLEET, with_gpus)
    fleet_order.check_type("c7i.xlarge", FLEET | {"gpus": False}, Ec2())
    with pytest.raises(UserError, match="has GPUs, and the nodes give the trainer no GPUs"):
        fleet_order.check_type("g5.2xlarge", FLEET | {"gpus": False}, with_gpus)
