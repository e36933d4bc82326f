"""`kennel train --where ec2` on the emulated account: its nodes run their boot script and train."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.conftest import SMALL
from tests.contract.command.jobs.conftest import MACHINE_IMAGE, PREFIX, Account, push_image, trust
from tests.contract.local.conftest import REGION
from tests.terraform.test_fleet import TEMPLATE, VALUES

GROUP = f"/kennel/{PREFIX}/machines"


@pytest.fixture(scope="module")
def fleet(account: Account, dogs: str) -> Iterator[dict[str, Any]]:
    """As terraform/modules/fleet makes it: a launch template with the boot script, and a role."""
    iam, ec2 = account.aws.client("iam"), account.aws.client("ec2")
    name = f"{PREFIX}-fleet"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("ec2"))
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    image, bucket = push_image(account.aws, "machines"), f"s3://{PREFIX}-data"
    values = VALUES | {
        "data_uri": f"{bucket}/{dogs}",
        "image": image,
        "log_group": GROUP,
        "output_uri": f"s3://{PREFIX}-models/machines",
        "region": REGION,
        "run_arguments": "",
    }
    script = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], TEMPLATE.read_text())
    template = ec2.create_launch_template(
        LaunchTemplateName="machines",
        LaunchTemplateData={
            "ImageId": MACHINE_IMAGE,
            "InstanceType": "c7i.xlarge",
            "IamInstanceProfile": {"Name": name},
            "UserData": base64.b64encode(script.encode()).decode(),
        },
    )
    account.aws.client("logs").create_log_group(logGroupName=GROUP)
    found = {
        "data_uri": values["data_uri"],
        "gpus": False,
        "image": image,
        "instance_type": "c7i.xlarge",
        "launch_template_id": template["LaunchTemplate"]["LaunchTemplateId"],
        "log_group_name": GROUP,
        "max_count": 2,
        "max_minutes": 60,
        "min_count": 2,
        "output_uri": values["output_uri"],
        "spot": False,
    }
    account.outputs["platform"]["fleet"] = found
    account.save()
    yield found
    account.outputs["platform"]["fleet"] = None
    account.save()


def booted() -> list[str]:
    """The boot scripts that run, by the names of their instances."""
    found = []
    for process in psutil.process_iter():
        try:
            surroundings = process.environ()
        except psutil.Error:
            continue
        if "KENNEL_LOCAL_MACHINES" in surroundings:
            found.append(surroundings["KENNEL_LOCAL_CONTAINER"])
    return found


@pytest.mark.long
def test_two_nodes_boot_train_together_and_are_gone(
    account: Account, fleet: dict[str, Any]
) -> None:
    settings = SMALL | {"epochs": "1", "processes": "1"}
    given = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    done = account.kennel("train", "--where", "ec2", *given, "--json", seconds=400)
    outcome = json.loads(done.stdout)
    assert "epoch   1/1" in done.stderr, "lines of the nodes' log driver are followed"
    assert "2 x c7i.xlarge" in done.stderr
    assert (account.home / outcome["report"]).read_text().startswith("<!doctype html>")
    run = outcome["model_data"].split("/")[-2]
    store = account.aws.client("s3")
    there = store.list_objects_v2(Bucket=f"{PREFIX}-models", Prefix=f"machines/{run}/hosts/")
    assert there["KeyCount"] == 2
    assert outcome["model_data"].startswith(fleet["output_uri"])
    instances = account.aws.client("ec2").describe_instances()["Reservations"]
    assert {e["State"]["Name"] for group in instances for e in group["Instances"]} == {"terminated"}
    assert not booted()


@pytest.mark.long
def test_a_node_that_is_ended_from_outside_is_gone_with_all_that_it_ran(
    account: Account, fleet: dict[str, Any]
) -> None:
    ec2 = account.aws.client("ec2")
    template = {"LaunchTemplateId": fleet["launch_template_id"]}
    [one] = ec2.run_instances(LaunchTemplate=template, MinCount=1, MaxCount=1)["Instances"]
    name = one["InstanceId"]
    assert name in booted()
    ec2.terminate_instances(InstanceIds=[name])
    assert name not in booted()
