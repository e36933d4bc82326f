"""What AWS's own services ask of IAM: whether a role trusts them, its keys, what it may do."""

import json
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.exceptions import NotFoundException
from moto.iam.models import IAMBackend, Role, iam_backends
from moto.sts.models import sts_backends

from kennel.local.aws.house import House

HOUR = 3600


def role_of(house: House, arn: str) -> Role | None:
    try:
        return iam(house).get_role_by_arn(arn)
    except NotFoundException:
        return None


def trusts(house: House, arn: str, service: str) -> bool:
    """Whether the service may assume the role. Conditions are left to AWS."""
    role = role_of(house, arn)
    document = json.loads(role.assume_role_policy_document) if role else {}
    return any(
        service in listed(statement.get("Principal", {}).get("Service", []))
        and "sts:AssumeRole" in listed(statement["Action"])
        for statement in listed(document.get("Statement", []))
        if statement["Effect"] == "Allow"
    )


def credentials(house: House, arn: str, session: str) -> dict[str, str]:
    """The role's temporary keys, as environment variables."""
    assumed = sts_backends[house.account]["aws"].assume_role(
        region_name=house.region,
        role_session_name=session,
        role_arn=arn,
        policy="",
        duration=12 * HOUR,
        external_id="",
    )
    return {
        "AWS_ACCESS_KEY_ID": assumed.access_key_id,
        "AWS_SECRET_ACCESS_KEY": assumed.secret_access_key,
        "AWS_SESSION_TOKEN": assumed.session_token,
    }


def may(house: House, arn: str, action: str, resource: str) -> bool:
    """Whether the role's policies allow an action: some says so, and none denies it."""
    results = {
        IAMPolicy(policy).is_action_permitted(action, resource) for policy in policies(house, arn)
    }
    return PermissionResult.PERMITTED in results and PermissionResult.DENIED not in results


def policies(house: House, arn: str) -> list[Any]:
    backend, name = iam(house), arn.rpartition("/")[2]
    if role_of(house, arn) is None:
        return []
    inline = [backend.get_role_policy(name, each)[1] for each in backend.list_role_policies(name)]
    attached, _ = backend.list_attached_role_policies(name)
    return [*inline, *attached]


def iam(house: House) -> IAMBackend:
    return iam_backends[house.account]["aws"]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
