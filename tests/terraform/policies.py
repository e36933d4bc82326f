"""Every IAM policy in a plan, statement by statement.

A policy whose resources do not exist yet is not rendered in a plan: what is known of its document
is then taken from the planned read, and what is not yet known stands as UNKNOWN. An ARN that AWS
is still to give is one ARN, never a wildcard.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Plan = dict[str, Any]
UNKNOWN = "(known after apply)"
KIND = "aws_iam_policy_document"


@dataclass(frozen=True)
class Statement:
    document: str  # its address in the plan
    sid: str
    allows: bool
    actions: frozenset[str]
    resources: frozenset[str]
    principals: frozenset[str]  # as Service:lambda.amazonaws.com
    conditions: frozenset[str]  # the variables

    @property
    def name(self) -> str:
        """Without what differs between environments, for lists of exceptions."""
        return f"{self.document.split('[')[0]}/{self.sid}"


def expand(plan: Plan) -> dict[str, list[Statement]]:
    """The statements of each policy document, by the document's address."""
    found = dict(read_while_planning(plan.get("prior_state", {})))
    for change in plan["resource_changes"]:
        if change["type"] == KIND and change["mode"] == "data":
            after, unknown = change["change"]["after"], change["change"]["after_unknown"]
            found[change["address"]] = statements(change["address"], after, unknown)
    return found


def read_while_planning(state: Plan) -> Iterator[tuple[str, list[Statement]]]:
    modules = [state.get("values", {}).get("root_module", {})]
    while modules:
        module = modules.pop()
        modules += module.get("child_modules", [])
        for resource in module.get("resources", []):
            if resource["type"] == KIND:
                address = resource["address"]
                yield address, statements(address, resource["values"], {})


def statements(address: str, document: Plan, unknown: Plan) -> list[Statement]:
    unknowns = unknown.get("statement") or []
    return [
        statement(address, given, unknowns[index] if index < len(unknowns) else {})
        for index, given in enumerate(document["statement"] or [])
    ]


def statement(address: str, given: Plan, unknown: Plan) -> Statement:
    resources = set(given.get("resources") or [])
    hidden = unknown.get("resources")
    if hidden is True or (hidden and any(hidden)):  # else [false]: all of them are known
        resources.add(UNKNOWN)
    return Statement(
        document=address,
        sid=given["sid"] or "",
        allows=given["effect"] != "Deny",
        actions=frozenset(given["actions"] or []),
        resources=frozenset(filter(None, resources)),
        principals=frozenset(
            f"{principal['type']}:{name}"
            for principal in given["principals"] or []
            for name in principal["identifiers"] or [UNKNOWN]
        ),
        conditions=frozenset(condition["variable"] for condition in given["condition"] or []),
    )


def documents_in_use(plan: Plan) -> set[str]:
    """Addresses of the roles' policies, trusts and all else that carries a policy document."""
    return {
        change["address"]
        for change in plan["resource_changes"]
        if change["mode"] == "managed"
        and {"policy", "assume_role_policy"} & set(change["change"]["after"] or {})
        | {"policy", "assume_role_policy"} & set(change["change"]["after_unknown"] or {})
    }
