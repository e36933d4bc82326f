"""Bucket policies for moto: a statement whose condition is not met says nothing.

moto takes an unmet condition for a denial, so that a policy that refuses what comes without TLS
would refuse everything. Loopback stands for TLS here. What else a condition may ask is not known
where moto asks, and counts as not met.
"""

import json
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket, FakeDeleteMarker

from kennel.local.aws.house import House

KNOWN = {"aws:securetransport": "true"}


def install(_: House) -> None:
    def get_permission(self: FakeBucket, action: str, resource: str) -> PermissionResult:
        if self.policy is None:
            return PermissionResult.NEUTRAL
        policy = json.loads(self.policy)
        statements = policy["Statement"]
        listed = statements if isinstance(statements, list) else [statements]
        # Without its condition, moto judges the statement by what else it says.
        policy["Statement"] = [
            {name: part for name, part in each.items() if name != "Condition"}
            for each in listed
            if met(each.get("Condition") or {})
        ]
        return IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)

    setattr(FakeBucket, "get_permission", get_permission)  # noqa: B010
    # What moto asks of each version when the last of an object goes, and markers lack.
    setattr(FakeDeleteMarker, "dispose", lambda _: None)  # noqa: B010


def met(condition: dict[str, Any]) -> bool:
    return all(
        test == "Bool" and KNOWN.get(name.lower()) in texts(wanted)
        for test, named in condition.items()
        for name, wanted in named.items()
    )


def texts(wanted: Any) -> list[str]:
    values = wanted if isinstance(wanted, list) else [wanted]
    return [str(each).lower() for each in values]
