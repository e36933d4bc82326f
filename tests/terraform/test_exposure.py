"""Nothing that the environments' values make is public: a door opens only by a variable."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.terraform.conftest import ENVIRONMENTS, ROOTS
from tests.terraform.costs import resources

Plans = dict[str, dict[str, Any]]
EVERYWHERE = {"0.0.0.0/0", "::/0"}


@pytest.fixture(scope="module")
def planned(plans: Plans) -> list[tuple[str, dict[str, Any]]]:
    """Each resource of each plan: its type and its values."""
    return [each for plan in plans.values() for each in resources(plan)]


def of(planned: list[tuple[str, dict[str, Any]]], kind: str) -> Iterator[dict[str, Any]]:
    found = [values for each, values in planned if each == kind]
    assert found, f"no {kind} in any plan"
    return iter(found)


def test_no_way_in_or_out_of_the_network(planned: list[tuple[str, dict[str, Any]]]) -> None:
    kinds = {kind for kind, _ in planned}
    assert not kinds & {"aws_internet_gateway", "aws_nat_gateway", "aws_eip", "aws_lb"}
    rules = list(of(planned, "aws_vpc_security_group_ingress_rule"))
    assert not [each for each in rules if each.get("cidr_ipv4") in EVERYWHERE]
    assert not any(each["map_public_ip_on_launch"] for each in of(planned, "aws_subnet"))
    for template in of(planned, "aws_launch_template"):
        assert {each["associate_public_ip_address"] for each in template["network_interfaces"]} == {
            "false"
        }
    for notebook in of(planned, "aws_sagemaker_notebook_instance"):
        assert notebook["direct_internet_access"] == "Disabled"


def test_every_bucket_is_closed(planned: list[tuple[str, dict[str, Any]]]) -> None:
    closed = {each["bucket"] for each in of(planned, "aws_s3_bucket_public_access_block")}
    assert closed == {each["bucket"] for each in of(planned, "aws_s3_bucket")}
    for block in of(planned, "aws_s3_bucket_public_access_block"):
        assert block["block_public_acls"]
        assert block["block_public_policy"]
        assert block["ignore_public_acls"]
        assert block["restrict_public_buckets"]


def test_the_api_asks_for_a_key_and_is_the_only_caller(plans: Plans) -> None:
    for name in ENVIRONMENTS:
        values = dict(resources(plans[f"service-{name}"]))
        assert "aws_lambda_function_url" not in values
        assert "aws_api_gateway_usage_plan_key" in values
        assert values["aws_lambda_permission"]["principal"] == "apigateway.amazonaws.com"
        assert values["aws_api_gateway_rest_api"]["endpoint_configuration"][0]["types"] == [
            "REGIONAL"
        ]


def test_all_plans_are_looked_at(plans: Plans) -> None:
    assert plans.keys() == {f"{root}-{name}" for root in ROOTS for name in ENVIRONMENTS}
