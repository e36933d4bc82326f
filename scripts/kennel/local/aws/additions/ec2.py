"""Security group rules for moto: of groups and of prefix lists too, descriptions are kept."""

from typing import Any

from moto.ec2.models.security_groups import SecurityGroupRule

from kennel.local.aws.house import House


def install(_: House) -> None:
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
