"""EC2 for moto: descriptions of security group rules of groups and of prefix lists; tags that are a
launch template's own, and not of what it starts."""

from typing import Any

from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion
from moto.ec2.models.security_groups import SecurityGroupRule

from kennel.local.aws.house import House


def install(_: House) -> None:
    complete_rules()
    complete_templates()


def complete_rules() -> None:
    begin = SecurityGroupRule.__init__

    def begin_with_description(self: Any, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        listed = named.get("prefix_list_id") or (given[7] if len(given) > 7 else None) or {}
        self.prefix_list_description = listed.get("Description")

    def description(self: Any) -> str | None:
        sources = (self.ip_range, self.source_group)
        named = [each["Description"] for each in sources if each.get("Description")]
        text: str | None = named[0] if named else self.prefix_list_description
        return text

    setattr(SecurityGroupRule, "__init__", begin_with_description)  # noqa: B010
    setattr(SecurityGroupRule, "description", property(description))  # noqa: B010


def complete_templates() -> None:
    create = LaunchTemplate.create_version

    def create_version(
        self: LaunchTemplate, data: dict[str, Any], description: str
    ) -> LaunchTemplateVersion:
        specified = data.pop("TagSpecifications", [])
        if of_others := [e for e in specified if e["ResourceType"] != "launch-template"]:
            data["TagSpecifications"] = of_others
        return create(self, data, description)

    setattr(LaunchTemplate, "create_version", create_version)  # noqa: B010
