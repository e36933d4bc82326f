"""What terraform/stack.py decides; what it runs is Terraform's business."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.terraform.conftest import ENVIRONMENTS, ROOTS, TERRAFORM

sys.path.insert(0, str(TERRAFORM))
import endpoint
import shown
import stack


class Sagemaker:
    """An endpoint that passes through statuses; None: it is gone."""

    def __init__(self, *statuses: str | None, counts: list[int] | None = None) -> None:
        self.statuses, self.counts = list(statuses), counts or []
        self.deleted_at: list[str | None] = []

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, Any]:  # noqa: N803
        status = self.statuses.pop(0) if self.statuses[1:] else self.statuses[0]
        if status is None:
            raise RuntimeError(f"Could not find endpoint {EndpointName!r}.")
        self.seen = status
        variants = [{"DesiredInstanceCount": count} for count in self.counts]
        return {"EndpointStatus": status, "ProductionVariants": variants}

    def delete_endpoint(self, *, EndpointName: str) -> dict[str, Any]:  # noqa: N803
        assert EndpointName == "kennel-test"
        self.deleted_at.append(self.seen)
        return {}


def test_counts_what_autoscaling_has_reached() -> None:
    assert endpoint.running(Sagemaker("InService", counts=[3]), "kennel-test") == 3


def test_a_first_release_has_no_count() -> None:
    assert endpoint.running(Sagemaker(None), "kennel-test") is None


def test_an_endpoint_asleep_has_no_count() -> None:
    assert endpoint.running(Sagemaker("InService", counts=[0]), "kennel-test") is None


def test_a_release_that_is_rolled_back_is_told_from_other_faults() -> None:
    assert endpoint.rolling_back(Sagemaker("RollingBack"), "kennel-test")
    assert not endpoint.rolling_back(Sagemaker("InService"), "kennel-test")


@pytest.mark.parametrize(
    ("statuses", "deleted_at"),
    [
        ([None], []),
        (["Deleting", None], []),
        (["Updating", "Updating", "InService", "Deleting", None], ["InService"]),
        (["RollingBack", "Failed", None], ["Failed"]),
    ],
)
def test_an_endpoint_that_terraform_took_for_gone_is_deleted_when_it_is_at_rest(
    statuses: list[str | None], deleted_at: list[str]
) -> None:
    sagemaker = Sagemaker(*statuses)
    endpoint.end(sagemaker, "kennel-test", pause=0)
    assert sagemaker.deleted_at == deleted_at
    assert sagemaker.statuses == [None]


def change(kind: str, *actions: str) -> dict[str, Any]:
    return {"address": f"module.x.{kind}.this", "type": kind, "change": {"actions": list(actions)}}


def test_a_plan_that_takes_the_endpoint_down_is_told_from_one_that_moves_it() -> None:
    moves = [change("aws_sagemaker_endpoint", "update"), change("aws_iam_role", "create", "delete")]
    assert stack.takes_down({"resource_changes": moves}) == []
    anew = [change("aws_sagemaker_endpoint", "delete", "create")]
    assert stack.takes_down({"resource_changes": anew}) == ["module.x.aws_sagemaker_endpoint.this"]


def test_what_takes_an_endpoint_down_is_named() -> None:
    """The provider adds rollback alarms to an endpoint made without them only by making it anew."""
    anew = change("aws_sagemaker_endpoint", "delete", "create")
    anew["change"]["replace_paths"] = [["deployment_config", 0, "auto_rollback_configuration"]]
    [said] = stack.takes_down({"resource_changes": [anew]})
    assert said.endswith("(for its deployment_config.0.auto_rollback_configuration)")


def test_the_copy_for_plans_holds_nothing_sensitive() -> None:
    key = {
        "type": "aws_api_gateway_api_key",
        "instances": [{"attributes": {"name": "kennel", "value": "s3cr3t"}, "private": "s3cr3t"}],
    }
    other = {
        "type": "aws_x",
        "instances": [
            {
                "attributes": {"rule": [{"password": "s3cr3t", "name": "a"}], "name": "b"},
                "sensitive_attributes": [
                    [
                        {"type": "get_attr", "value": "rule"},
                        {"type": "index", "value": {"value": 0, "type": "number"}},
                        {"type": "get_attr", "value": "password"},
                    ],
                    [{"type": "get_attr", "value": "missing"}],
                ],
            }
        ],
    }
    outputs = {"api_key": {"value": "s3cr3t", "sensitive": True}, "name": {"value": "kennel"}}
    copy = shown.shown({"version": 4, "outputs": outputs, "resources": [key, other]})
    assert "s3cr3t" not in json.dumps(copy)
    assert copy["outputs"]["name"]["value"] == "kennel"
    assert copy["resources"][0]["instances"][0]["attributes"]["name"] == "kennel"
    assert copy["resources"][1]["instances"][0]["attributes"]["rule"][0]["name"] == "a"
    assert outputs["api_key"]["value"] == "s3cr3t", "the state itself must stay as it is"


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("root", ROOTS)
def test_each_environment_says_prefix_and_region(root: str, name: str) -> None:
    found = stack.Stack(root, name)
    assert (found.prefix, found.region) == (f"kennel-{name}", "eu-west-1")


@pytest.mark.parametrize("verb", stack.VERBS)
def test_make_hands_over_verb_root_and_environment(verb: str) -> None:
    command = ["make", "--dry-run", verb, "STACK=platform", "ENV=prod"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"terraform/stack.py {verb} platform prod\n" in done.stdout


def test_an_unknown_environment_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert stack.main(["plan", "platform", "nowhere"]) == 1
    assert "nowhere.tfvars" in capsys.readouterr().err
