"""checkov finds nothing in HCL, plans, Dockerfiles, workflows and files that could hold secrets.

What is skipped has its reason beside it, or in .checkov.yaml.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.terraform.conftest import COUNTS, TERRAFORM, Environment

# A first plan does not know the ARN of the key, subnet or group that it makes, and checkov takes
# unknown for missing. The scan of the code sees the argument.
UNKNOWN_IN_PLANS = {
    "CKV2_AWS_5": "which group is attached to what is known after apply",
    "CKV_AWS_158": "the log groups' key is known after apply",
    "CKV_AWS_187": "the notebook's key is known after apply",
    "CKV_AWS_22": "the notebook's key is known after apply",
    "CKV_AWS_306": "the notebook's subnet is known after apply",
}

Report = dict[str, Any]


def scan(checkov: str, env: Environment, *arguments: str) -> dict[str, Report]:
    """Return what checkov finds: for each framework its counts, and the checks that failed."""
    command = [checkov, "--config-file", ".checkov.yaml", "--output", "json", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found: dict[str, Report] = {}
    for each in (report for report in documents(done.stdout) if "results" in report):
        known = found.setdefault(each["check_type"], {"failures": {}})
        # The text of each folder repeats what stands in those of the folders before.
        known |= {kind: max(each["summary"][kind], known.get(kind, 0)) for kind in KINDS}
        known["failures"] |= {
            (check["file_abs_path"], check["check_id"], check["resource"]): check["check_name"]
            for check in each["results"]["failed_checks"]
        }
    return found


KINDS = ("passed", "failed", "skipped", "parsing_errors", "resource_count")


def documents(text: str) -> list[Report]:
    """checkov prints one JSON text for each folder, a list where there are several frameworks."""
    found: list[Report] = []
    while text.strip():
        document, end = json.JSONDecoder().raw_decode(text.strip())
        found += document if isinstance(document, list) else [document]
        text = text.strip()[end:]
    return found


def skipped_everywhere() -> list[str]:
    settings = yaml.safe_load(ROOT.joinpath(".checkov.yaml").read_text())
    return list(settings["skip-check"])


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of code that each of our own checks refuses."""
    folder = tmp_path_factory.mktemp("broken")
    folder.joinpath("main.tf").write_text(BROKEN)
    return folder


@pytest.fixture(scope="module")
def scanned(checkov: str, offline: Environment, broken: Path) -> dict[str, Report]:
    """All code in one call: checkov takes longer to start than to read a folder."""
    folders = ("images", ".github", "terraform", "functions", "scripts", str(broken))
    return scan(
        checkov,
        offline,
        *(part for folder in folders for part in ("-d", folder)),
        *("--framework", "terraform", "dockerfile", "github_actions", "secrets"),
    )


def failures_of_ours(report: Report, broken: Path) -> list[str]:
    failed = report["failures"].items()
    return [f"{key}: {name}" for key, name in failed if not key[0].startswith(str(broken))]


def test_code_passes(scanned: dict[str, Report], broken: Path) -> None:
    report = scanned["terraform"]
    assert not failures_of_ours(report, broken)
    assert not report["parsing_errors"]
    assert report["passed"] > 500
    count(scanned, but_failed=len(report["failures"]))


def count(reports: dict[str, Report], but_failed: int = 0) -> None:
    for each in reports.values():
        COUNTS.update({f"checkov {kind}": each[kind] for kind in ("passed", "failed", "skipped")})
    COUNTS["checkov failed"] -= but_failed


def test_images_workflows_and_secrets_pass(scanned: dict[str, Report], broken: Path) -> None:
    others = [each for name, each in scanned.items() if name != "terraform"]
    assert not [failure for each in others for failure in failures_of_ours(each, broken)]
    assert sum(each["passed"] for each in others) > 20
    assert {"dockerfile", "github_actions"} <= scanned.keys()


def test_plans_pass(checkov: str, offline: Environment, plan_files: dict[str, Path]) -> None:
    """All in one call: checkov takes longer to start than to read a plan."""
    reports = scan(
        checkov,
        offline,
        *(part for path in plan_files.values() for part in ("-f", str(path))),
        *("--framework", "terraform_plan", "--repo-root-for-plan-enrichment", "terraform"),
        *("--skip-check", ",".join([*skipped_everywhere(), *UNKNOWN_IN_PLANS])),
    )
    report = reports["terraform_plan"]
    assert not report["failures"]
    assert report["resource_count"] > 200, "some plan was left out"
    assert report["passed"] > 500
    count(reports)


def test_each_skip_has_a_reason() -> None:
    for path in TERRAFORM.rglob("*.tf"):
        for line in path.read_text().splitlines():
            if "checkov:skip" in line:
                assert re.search(r"checkov:skip=CKV2?_\w+:\S.{15,}", line), f"{path}: {line}"
    settings = ROOT.joinpath(".checkov.yaml").read_text()
    assert len(skipped_everywhere()) == len(re.findall(r"- CKV\w+ +# \S.{15,}", settings))


BROKEN = """
resource "aws_sagemaker_endpoint" "no_way_back" {
  name                 = "broken"
  endpoint_config_name = "broken"
}

resource "aws_sagemaker_endpoint_configuration" "random" {
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

  production_variants {
    model_name             = "broken"
    instance_type          = "ml.m5.large"
    initial_instance_count = 1
  }
}

resource "aws_sagemaker_notebook_instance" "open" {
  name                   = "broken"
  role_arn               = "arn:aws:iam::123456789012:role/broken"
  instance_type          = "ml.t3.medium"
  direct_internet_access = "Enabled"
}

resource "aws_lambda_provisioned_concurrency_config" "latest" {
  function_name                     = "broken"
  qualifier                         = "$LATEST"
  provisioned_concurrent_executions = 1
}
"""


def test_our_own_checks_find_what_they_are_for(scanned: dict[str, Report], broken: Path) -> None:
    failed = sorted(
        check for file, check, _ in scanned["terraform"]["failures"]
        if file.startswith(str(broken)) and check.startswith("CKV_KENNEL_")
    )  # fmt: skip
    assert failed == [f"CKV_KENNEL_{number}" for number in (1, 2, 3, 4)]


def test_what_is_warm_is_within_what_is_reserved(plans: dict[str, Any]) -> None:
    """Two resources that checkov does not see together; the provider lets it through."""
    for name in ("service-dev", "service-prod"):
        modules = plans[name]["planned_values"]["root_module"]["child_modules"]
        resources = [each for module in modules for each in module["resources"]]
        values = {each["type"]: each.get("values", {}) for each in resources}
        reserved = values["aws_lambda_function"]["reserved_concurrent_executions"]
        warm = values.get("aws_lambda_provisioned_concurrency_config", {})
        assert warm.get("provisioned_concurrent_executions", 0) <= reserved


def test_models_are_isolated(plans: dict[str, Any]) -> None:
    for name in ("service-dev", "service-prod"):
        modules = plans[name]["planned_values"]["root_module"]["child_modules"]
        resources = [each for module in modules for each in module["resources"]]
        models = [each["values"] for each in resources if each["type"] == "aws_sagemaker_model"]
        assert models
        assert all(model["enable_network_isolation"] for model in models)
