"""What one run of the fleet has instead of what Terraform says for all of them.

Most of it goes into the tags of its nodes, where their boot script finds it
(terraform/modules/fleet/user_data.sh.tftpl); type and market go into the call itself.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError

from kennel import s3
from kennel.errors import UserError

LEAST_MINUTES = 10  # as in Terraform: a node that boots and reads its data needs some
MOST_CHARACTERS = 256  # of a tag
IN_TERRAFORM = "in terraform/platform/ENV.tfvars, and apply it"


@dataclass(frozen=True)
class Order:
    """None and "" leave what Terraform says."""

    data: str = ""  # s3://bucket/prefix/
    pretrained: str = ""  # s3://.../weights.safetensors
    image: str = ""
    instance_type: str = ""
    minutes: int | None = None
    nodes: int | None = None
    spot: bool | None = None

    @property
    def tags(self) -> dict[str, str]:
        told = ("data", "pretrained", "image", "minutes", "nodes")
        return {f"kennel:{name}": str(value) for name in told if (value := getattr(self, name))}


def check(order: Order, fleet: Mapping[str, Any], bucket: str) -> None:
    """What the nodes could not do is refused before there are any."""
    if order != Order() and "max_minutes" not in fleet:
        wishes = ", ".join(n for n, value in asdict(order).items() if value not in ("", None))
        raise UserError(
            f"the fleet was applied before its nodes could be told of {wishes}: "
            "`make plan apply STACK=platform` teaches them"
        )
    for what, uri in (("data", order.data), ("pretrained", order.pretrained)):
        if uri and not uri.startswith(f"s3://{bucket}/"):
            raise UserError(f"{what} {uri}: the nodes may read s3://{bucket} only; copy it there")
    if order.image and not order.image.startswith(f"{repository(fleet['image'])}@sha256:"):
        raise UserError(
            f"--image {order.image}: the nodes may pull {repository(fleet['image'])}@sha256:... "
            f"only; for another set fleet.image {IN_TERRAFORM}"
        )
    check_minutes(order.minutes, fleet)
    for name, value in order.tags.items():
        if len(value) > MOST_CHARACTERS:
            raise UserError(f"{name}: a tag of EC2 holds {MOST_CHARACTERS} characters: {value}")


def repository(image: str) -> str:
    return image.partition("@")[0]


def check_minutes(minutes: int | None, fleet: Mapping[str, Any]) -> None:
    if minutes is None:
        return
    most = int(fleet["max_minutes"])
    if minutes > most:
        raise UserError(
            f"--hours {minutes / 60:g}: every node of the fleet ends after {most / 60:g} h; for "
            f"longer set fleet.max_minutes {IN_TERRAFORM}"
        )
    if minutes < LEAST_MINUTES:
        raise UserError(f"--hours {minutes / 60:g}: a fleet needs {LEAST_MINUTES} minutes at least")


def check_type(kind: str, fleet: Mapping[str, Any], ec2: Any) -> None:
    """Nodes stand in a cluster placement group and run an image for x86, with GPUs or without."""
    if kind.startswith("ml."):
        raise UserError(f"--instance-type {kind} is SageMaker's: EC2's is {kind[3:]}")
    try:
        [found] = ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidInstanceType":
            raise
        raise UserError(f"--instance-type {kind}: EC2 has no such type in this region") from error
    if "x86_64" not in found["ProcessorInfo"]["SupportedArchitectures"]:
        raise UserError(f"--instance-type {kind} is no x86 machine, for which the image is")
    if "cluster" not in found["PlacementGroupInfo"]["SupportedStrategies"]:
        raise UserError(f"--instance-type {kind} cannot stand in a cluster placement group")
    if bool(found.get("GpuInfo")) != fleet["gpus"]:
        has, given = ("no GPU", "their") if fleet["gpus"] else ("GPUs", "no")
        raise UserError(
            f"--instance-type {kind} has {has}, and the nodes give the trainer {given} GPUs: set "
            f"fleet.gpus {IN_TERRAFORM}"
        )


def check_there(order: Order, client: Any) -> None:
    """What is to be read is in S3."""
    if order.data and s3.is_empty(client, order.data):
        raise UserError(
            f"there is nothing at {order.data}: `kennel data push FOLDER` brings it there"
        )
    if order.pretrained and not s3.exists(client, order.pretrained):
        raise UserError(f"there is no object {order.pretrained}: name the file of the weights")
