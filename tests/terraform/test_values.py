"""Bad values in ROOT/ENV.tfvars are refused before anything is made, and named.

Most rules stand in the modules, each seen to refuse by `terraform test`. Here it is seen that they
reach who wrote the values: the message has the root's variable in it, and what it must be.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.conftest import TERRAFORM, Environment, Roots
from tests.terraform.tables import declared

Bad = dict[str, Any]

KEY, ARN = "alias/kennel", "arn:aws:iam::123456789012:role/kennel"
SERVICE: Bad = {
    "alarms": {
        "cpus": 0,
        "emails": ["nobody"],
        "monthly_budget": 0,
        "thresholds": {"latency_ms": 0},
    },
    "api": {
        "authorization": "BASIC",
        "firewall": {"max_body_megabytes": 10},
        "private": {"vpc_endpoint_ids": []},
    },
    "async": {"bucket": "kennel-data", "concurrent_requests": 0},
    "data_bucket": "*",
    "data_capture": {"bucket": "kennel-data", "percent": 0},
    "deployment": {"type": "ROLLING"},
    "environment": {"KENNEL_MODE": ""},
    "function": {
        "architecture": "mips",
        "network": {"subnet_ids": [], "vpc_id": "vpc-1"},
        "reserved_concurrency": 0,
    },
    "function_zip": "nowhere.zip",
    "image": "kennel/serve:latest",
    "instance_type": "c6i.xlarge",
    "kms_key_arn": KEY,
    "model_data": "s3://kennel-models/*.tar.gz",
    "network": {"s3_prefix_list_id": "pl-1", "subnet_ids": ["subnet-1"], "vpc_id": "vpc-1"},
    "permissions_boundary": ARN,
    "prefix": "Kennel",
    "region": "Ireland",
    "running_instances": -1,
    "serverless": {"memory_mb": 3000},
    "throttle": {"rate": 0},
    "usage_plan": {"burst": 0},
}
# A rule that looks at two variables waits until the other one is right.
AFTERWARDS: list[Bad] = [
    {
        "function": {"provisioned_concurrency": 11},
        "rollback": {"minutes": 0},
        "scaling": {"min_instances": 3, "max_instances": 2},
    },
    {"function": {"most_provisioned": 11}},
]
PLATFORM: Bad = {
    "fleet": {
        "data_prefix": "*",
        "image": "kennel/train:latest",
        "instance_type": "t3.micro",
        "max_minutes": 1,
        "nodes": 0,
        "volume_gb": 1,
    },
    "force_destroy": "perhaps",
    "job": {"max_hours": 1000},
    "manage_account_settings": "perhaps",
    "network": {"cidr_block": "10.0.0.0/8", "interface_endpoints": ["s4"], "zones": ["a"]},
    "notebook": {"idle_minutes": 1, "instance_type": "t3.medium"},
    "permissions_boundary": ARN,
    "prefix": "Kennel",
    "region": "Ireland",
}
BOOTSTRAP: Bad = {
    "ci": {"environment": "*", "subject_prefix": "example/kennel"},
    "force_destroy": "perhaps",
    "prefix": "Kennel",
    "region": "Ireland",
}
ALL = {"bootstrap": BOOTSTRAP, "platform": PLATFORM, "service": SERVICE}
# Objects whose members go to modules one by one, each under its own rule.
SPLIT = {
    "bootstrap": {"ci"},
    "platform": {"fleet", "network", "notebook"},
    "service": {"alarms", "api", "function"},
}
OWN = {"prefix", "region"}  # ruled by the root itself


@pytest.mark.parametrize("root", ALL)
def test_every_variable_of_a_root_refuses_something(root: str) -> None:
    refused = ALL[root].keys()
    if root == "service":
        refused |= {name for values in AFTERWARDS for name in values}
    assert refused == declared(TERRAFORM / root)["variable"].keys()


@pytest.mark.parametrize("root", ALL)
def test_bad_values_are_refused_and_named(terraform: str, roots: Roots, root: str) -> None:
    """A rule of the root, or a wrong type, ends a plan before the modules see their values."""
    folder, env = roots[root]
    early = {name: value for name, value in ALL[root].items() if value == "perhaps" or name in OWN}
    messages = refusals(terraform, folder, env, early)
    for name, value in early.items():
        words = f"var.{name}" if value == "perhaps" else f"{name} must be"
        assert sum(words in said for said in messages) == 1, "\n".join(messages)

    rest = {name: value for name, value in ALL[root].items() if name not in early}
    for values in [rest, *(AFTERWARDS if root == "service" else [])]:
        wanted = {f"var.{name}" for name in values.keys() - SPLIT[root]}
        wanted |= {
            f"var.{name}.{each}" for name in values.keys() & SPLIT[root] for each in values[name]
        }
        messages = refusals(terraform, folder, env, values)
        unsaid = [name for name in wanted if not any(name in said for said in messages)]
        assert unsaid == [], "\n".join(messages)


def refusals(terraform: str, folder: Path, env: Environment, values: Bad) -> list[str]:
    """The errors of a plan with these values over those of dev, each with its line of code."""
    bad = folder / "bad.tfvars.json"
    bad.write_text(json.dumps(values))
    command = [terraform, "plan", "-json", "-var-file=dev.tfvars", f"-var-file={bad.name}"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    bad.unlink()
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = [line["diagnostic"] for line in lines if line["type"] == "diagnostic"]
    return [
        " ".join([each["summary"], each.get("snippet", {}).get("code", ""), each["detail"]])
        for each in found
        if each["severity"] == "error"
    ]
