"""Another release in the account of `kennel local`: the same root, with other values."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kennel.errors import Failed, UserError
from kennel.local.account import Account
from kennel.local.terraform import Stack
from kennel.local.up import client, local_api


def apply(home: Path, new: Mapping[str, Any]) -> None:
    """Apply the service root with these values among those it has; its outputs are kept.

    Failed once Terraform has begun; what is wrong before that has changed nothing.
    """
    running = Account(home).running()
    if running is None:
        raise UserError("the local account does not run: start it with `kennel local up`")
    given = values(home) | dict(new)
    given["running_instances"] = instances(running, str(given["prefix"]))
    stack = Stack(home / "tree", running["address"], running["region"], home / "terraform.log")
    try:
        applied = stack.apply("service", given)
    except UserError as error:
        raise Failed(str(error)) from error
    keep(home, applied, running["api"])


def values(home: Path) -> dict[str, Any]:
    """What the service root was applied with last."""
    path = home / "tree/terraform/service/local.tfvars.json"
    if not path.exists():
        raise UserError("the local account has no service yet: `kennel local up` makes it")
    return dict(json.loads(path.read_text()))


def instances(running: Mapping[str, Any], endpoint: str) -> int | None:
    """What autoscaling has reached, which a new release is to keep."""
    sagemaker = client("sagemaker", running["address"], running["region"])
    for found in sagemaker.list_endpoints(NameContains=endpoint)["Endpoints"]:
        if found["EndpointName"] == endpoint:
            variants = sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
            return sum(int(each["DesiredInstanceCount"]) for each in variants)
    return None


def keep(home: Path, service: dict[str, Any], api: str) -> None:
    """For KENNEL_OUTPUTS: Terraform's own address of the API says amazonaws.com."""
    path = home / "outputs.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    predict_url = f"{local_api(api, str(service['predict_url']))}/v1/predict"
    known["service"] = service | {"predict_url": predict_url}
    new = path.with_suffix(".new")
    new.write_text(json.dumps(known, indent=2))
    new.replace(path)
