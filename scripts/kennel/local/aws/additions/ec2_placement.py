"""Placement groups for moto, which has none."""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.responses import EC2Response
from moto.ec2.utils import random_resource_id

from kennel.local.aws.house import House


class PlacementGroup(TaggedEC2Resource):
    def __init__(self, house: House, backend: Any, name: str, strategy: str) -> None:
        self.ec2_backend = backend
        self.id = f"pg-{random_resource_id(17)}"
        self.name = name
        self._strategy = strategy
        self._arn = house.arn("ec2", f"placement-group/{name}")

    def described(self) -> dict[str, Any]:
        return {
            "GroupArn": self._arn,
            "GroupId": self.id,
            "GroupName": self.name,
            "State": "available",
            "Strategy": self._strategy,
            "Tags": [{"Key": each["key"], "Value": each["value"]} for each in self.get_tags()],
        }


def install(house: House) -> None:
    groups: dict[str, PlacementGroup] = {}

    def known(name: str) -> PlacementGroup:
        if name not in groups:
            raise EC2ClientError(
                "InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown."
            )
        return groups[name]

    def create_placement_group(self: EC2Response) -> ActionResult:
        name = self._get_param("GroupName")
        if name in groups:
            raise EC2ClientError(
                "InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists."
            )
        strategy = self._get_param("Strategy", "cluster")
        groups[name] = group = PlacementGroup(house, self.ec2_backend, name, strategy)
        group.add_tags(self._parse_tag_specification("placement-group").get("placement-group", {}))
        return ActionResult({"PlacementGroup": group.described()})

    def describe_placement_groups(self: EC2Response) -> ActionResult:
        names = self._get_param("GroupNames", [])
        found = [known(each) for each in names] if names else list(groups.values())
        ids = self._get_param("GroupIds", [])
        chosen = [each.described() for each in found if not ids or each.id in ids]
        return ActionResult({"PlacementGroups": chosen})

    def delete_placement_group(self: EC2Response) -> ActionResult:
        del groups[known(self._get_param("GroupName")).name]
        return EmptyResult()

    for method in (create_placement_group, describe_placement_groups, delete_placement_group):
        setattr(EC2Response, method.__name__, method)
