"""What terraform/stack.py decides; what it runs is Terraform's business."""

import importlib.util
from typing import Any

import pytest

from tests.terraform.conftest import ENVIRONMENTS, ROOTS, TERRAFORM

specification = importlib.util.spec_from_file_location("stack", TERRAFORM / "stack.py")
assert specification is not None
assert specification.loader is not None
stack = importlib.util.module_from_spec(specification)
specification.loader.exec_module(stack)


class Fake:
    def __init__(self, *counts: int) -> None:
        self.counts = counts

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, Any]:  # noqa: N803
        if not self.counts:
            raise RuntimeError(f"Could not find endpoint {EndpointName!r}.")
        return {"ProductionVariants": [{"DesiredInstanceCount": count} for count in self.counts]}


def test_counts_what_autoscaling_has_reached() -> None:
    assert stack.running(Fake(3), "kennel-test") == 3


def test_a_first_release_has_no_count() -> None:
    assert stack.running(Fake(), "kennel-test") is None


def test_an_endpoint_asleep_has_no_count() -> None:
    assert stack.running(Fake(0), "kennel-test") is None


def change(kind: str, *actions: str) -> dict[str, Any]:
    return {"address": f"module.x.{kind}.this", "type": kind, "change": {"actions": list(actions)}}


def test_a_plan_that_takes_the_endpoint_down_is_told_from_one_that_moves_it() -> None:
    moves = [change("aws_sagemaker_endpoint", "update"), change("aws_iam_role", "create", "delete")]
    assert stack.takes_down({"resource_changes": moves}) == []
    anew = [change("aws_sagemaker_endpoint", "delete", "create")]
    assert stack.takes_down({"resource_changes": anew}) == ["module.x.aws_sagemaker_endpoint.this"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("root", ROOTS)
def test_each_environment_says_prefix_and_region(root: str, name: str) -> None:
    found = stack.Stack(root, name)
    assert (found.prefix, found.region) == (f"kennel-{name}", "eu-west-1")


def test_an_unknown_environment_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert stack.main(["plan", "platform", "nowhere"]) == 1
    assert "nowhere.tfvars" in capsys.readouterr().err
