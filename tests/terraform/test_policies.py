"""Least privilege, held against every IAM policy in the plans of all roots and environments."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.terraform.conftest import COUNTS, ENVIRONMENTS
from tests.terraform.policies import UNKNOWN, Statement, expand

# Allowed with any resource, and why. Whatever is not here must name what it is for.
ANY_RESOURCE = {
    "LogInToEcr": "the token is for the registry: the API has no resource level",
    "SendTraces": "X-Ray's write calls have no resource level",
    "ReportUtilisation": "PutMetricData has no resource level; the namespace is a condition",
    "ReportMetrics": "PutMetricData has no resource level; the namespace is a condition",
    "LookAtTheNetwork": "EC2's Describe calls have no resource level",
    "TakeSessions": "Session Manager's agent calls have no resource level",
    "DescribeWhatIsThere": "Describe, Get and List; many have no resource level",
    "MakeKeysWithOurTag": "a key that does not exist has no ARN; the tag is a condition",
    "WhatWorkloadsDo": "a boundary grants nothing",
}
# Services that may take a role without a condition on who makes them, and why.
UNCONDITIONED = {
    "ApiGateway": "AWS documents no condition for this role; setting it takes PassRole",
    "Ec2": "EC2 sends no source when an instance takes its role; launching with it takes PassRole",
}
# The ways to more rights that pathfinding lists keep naming: a pair held by one policy.
ESCALATIONS = [
    {"iam:PassRole", "lambda:CreateFunction"},
    {"iam:PassRole", "ec2:RunInstances"},
    {"iam:PassRole", "sagemaker:CreateTrainingJob"},
    {"iam:PassRole", "sagemaker:CreateProcessingJob"},
    {"iam:PassRole", "sagemaker:CreateNotebookInstance"},
    {"iam:PassRole", "cloudformation:CreateStack"},
    {"iam:PutRolePolicy"},
    {"iam:AttachRolePolicy"},
    {"iam:UpdateAssumeRolePolicy"},
    {"iam:CreatePolicyVersion"},
    {"iam:SetDefaultPolicyVersion"},
    {"iam:CreateAccessKey"},
    {"iam:CreateLoginProfile"},
    {"iam:AddUserToGroup"},
    {"lambda:UpdateFunctionCode"},
    {"sagemaker:CreatePresignedNotebookInstanceUrl"},
    {"ssm:SendCommand"},
]
# Who applies must pass roles to functions: that it cannot make any worse role than a workload's is
# a test of its own below.
MAY_MAKE_ROLES = "data.aws_iam_policy_document.apply"

Plans = dict[str, dict[str, Any]]
ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def documents(plans: Plans) -> dict[tuple[str, str], list[Statement]]:
    return {
        (name, address): statements
        for name, plan in plans.items()
        for address, statements in expand(plan).items()
    }


@pytest.fixture(scope="module")
def allowed(documents: dict[tuple[str, str], list[Statement]]) -> list[Statement]:
    return [each for statements in documents.values() for each in statements if each.allows]


def rights(allowed: list[Statement]) -> Iterator[Statement]:
    """What roles may do, without who may take them."""
    return (each for each in allowed if not each.principals)


def test_policies_are_found(documents: dict[tuple[str, str], list[Statement]]) -> None:
    COUNTS["policies expanded"] = len(documents)
    COUNTS["statements in them"] = sum(map(len, documents.values()))
    assert len(documents) > 60
    assert all(statements for statements in documents.values())


def test_nothing_allows_every_action(allowed: list[Statement]) -> None:
    excepted = {"OurPrincipals"}  # an endpoint of the VPC, which grants nothing by itself
    assert not [each.name for each in allowed if "*" in each.actions and each.sid not in excepted]


def test_whole_services_are_only_for_who_applies(allowed: list[Statement]) -> None:
    whole = [
        each.name
        for each in rights(allowed)
        if any(action.endswith(":*") for action in each.actions)
        and MAY_MAKE_ROLES not in each.document
        and each.sid != "WhatWorkloadsDo"
    ]
    assert not whole


def test_any_resource_only_where_there_is_a_reason(allowed: list[Statement]) -> None:
    found = {each.sid for each in rights(allowed) if "*" in each.resources}
    assert found <= ANY_RESOURCE.keys() | {"ManageInterfaces"}


def test_each_reason_is_still_needed(allowed: list[Statement]) -> None:
    assert ANY_RESOURCE.keys() <= {each.sid for each in rights(allowed) if "*" in each.resources}


def test_each_trust_in_a_service_says_on_whose_behalf(allowed: list[Statement]) -> None:
    trusts = [each for each in allowed if "sts:AssumeRole" in each.actions]
    assert trusts
    source = {"aws:SourceAccount", "aws:SourceArn"}
    bare = {each.sid for each in trusts if not source & each.conditions}
    assert bare == UNCONDITIONED.keys()


def test_services_reach_resources_only_for_this_account(allowed: list[Statement]) -> None:
    """Policies of buckets, keys, topics: a service named there must act for us."""
    ours = {"aws:SourceAccount", "aws:SourceArn", "kms:EncryptionContext:aws:logs:arn"}
    open_to = [
        each.name
        for each in allowed
        if any(principal.startswith("Service:") for principal in each.principals)
        and not ours & each.conditions
        and each.sid not in UNCONDITIONED
    ]
    assert not open_to


def test_nobody_else_is_let_in(allowed: list[Statement]) -> None:
    """`AWS:*` without a condition is public, but for layers of images, which are so anyway."""
    public = [each.name for each in allowed if "AWS:*" in each.principals and not each.conditions]
    assert {name.rpartition("/")[2] for name in public} <= {"LayersOfImages"}


def test_the_function_may_invoke_one_endpoint(
    documents: dict[tuple[str, str], list[Statement]], plans: Plans
) -> None:
    for name in ("service-dev", "service-prod"):
        statements = documents[name, "module.function.data.aws_iam_policy_document.permissions"]
        sagemaker = [
            each for each in statements if any(a.startswith("sagemaker:") for a in each.actions)
        ]
        [only] = sagemaker
        assert only.actions == {"sagemaker:InvokeEndpoint"}
        assert only.resources == {UNKNOWN}
        assert {each.sid for each in statements} == {"InvokeTheEndpoint", "WriteLogs", "SendTraces"}
        # What is unknown is the ARN of the endpoint that the same plan creates, and nothing else.
        modules = plans[name]["configuration"]["root_module"]["module_calls"]
        given = modules["function"]["expressions"]["endpoint"]["references"]
        assert "module.endpoint.arn" in given


def test_the_model_classifies_in_bulk_and_never_writes_a_model(
    documents: dict[tuple[str, str], list[Statement]],
) -> None:
    """Batch transform has the model's role: it reads the data, and writes answers beside models."""
    for name in ENVIRONMENTS:
        objects = {
            (action, resource)
            for (plan, address), statements in documents.items()
            if plan == f"service-{name}" and address.startswith("module.endpoint.")
            for each in statements
            for action in each.actions & {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}
            for resource in each.resources
        }
        data, models = (
            f"arn:aws:s3:::kennel-{name}-{kind}-{ACCOUNT}" for kind in ("data", "models")
        )
        assert objects == {
            ("s3:GetObject", f"{data}/*"),
            ("s3:GetObject", f"{models}/dogs/1/model.tar.gz"),
            ("s3:ListBucket", data),
            ("s3:PutObject", f"{models}/batch/*"),
        }


def test_no_policy_leads_to_more_rights(
    documents: dict[tuple[str, str], list[Statement]],
) -> None:
    for (plan, address), statements in documents.items():
        if MAY_MAKE_ROLES in address or address.endswith("boundary"):
            continue
        actions = {action for each in statements if each.allows for action in each.actions}
        for path in ESCALATIONS:
            assert not all(covered(step, actions) for step in path), f"{plan} {address}: {path}"


def covered(step: str, actions: set[str]) -> bool:
    service = step.split(":", maxsplit=1)[0]
    return step in actions or f"{service}:*" in actions


def test_who_applies_makes_roles_under_the_boundary_only(allowed: list[Statement]) -> None:
    making = {"iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"}
    holders = [each for each in allowed if making & each.actions]
    assert holders
    assert all("iam:PermissionsBoundary" in each.conditions for each in holders)
    passing = [each for each in allowed if "iam:PassRole" in each.actions]
    assert all("iam:PassedToService" in each.conditions for each in passing)


def test_every_role_can_carry_the_boundary(plans: Plans) -> None:
    bare = []
    for name, plan in plans.items():
        calls = plan["configuration"]["root_module"].get("module_calls", {})
        for module, body in calls.items():
            for resource in body["module"].get("resources", []):
                is_ours = resource["type"] == "aws_iam_role" and module != "ci"
                if is_ours and "permissions_boundary" not in resource["expressions"]:
                    bare.append(f"{name} {module}")
    assert not bare


def test_every_policy_comes_from_a_document(plans: Plans) -> None:
    """A policy written as text would escape the tests above."""
    sources = set()
    for plan in plans.values():
        modules = [plan["configuration"]["root_module"]]
        while modules:
            module = modules.pop()
            modules += [call["module"] for call in module.get("module_calls", {}).values()]
            for resource in module.get("resources", []):
                for argument in ("policy", "assume_role_policy"):
                    given = resource.get("expressions", {}).get(argument)
                    if given and resource["type"] != "aws_ecr_lifecycle_policy":
                        sources.add((resource["type"], *given.get("references", ["text"])[:1]))
    accepted = ("data.aws_iam_policy_document", "local.endpoint_policies", "each.value")
    assert sources
    assert not [each for each in sources if not each[1].startswith(accepted)]
