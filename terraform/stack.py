"""Plan, apply or destroy one root in one environment.

    python terraform/stack.py plan platform dev       # saves the plan
    python terraform/stack.py apply platform dev      # applies the saved plan, and nothing else
    python terraform/stack.py destroy service dev

State is kept in the bucket that the root `bootstrap` makes, PREFIX-state-ACCOUNT; bootstrap's own
state starts on this machine and moves there by itself. Values come from ROOT/ENV.tfvars, and from
ROOT/ENV.auto.tfvars.json where scripts leave a release. `plan service` looks how many instances
run, so that a new release starts with as many. A plan that would take the endpoint down is not
applied unless KENNEL_REPLACE=yes: every caller would be refused meanwhile.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.exceptions import ClientError

ROOTS = ("bootstrap", "platform", "service")
VERBS = ("plan", "apply", "destroy")
TERRAFORM = Path(__file__).resolve().parent
ENDPOINT = "aws_sagemaker_endpoint"


class StackError(Exception):
    """The command cannot be carried out; the message says what to do."""


class SageMaker(Protocol):
    def describe_endpoint(self, *, EndpointName: str) -> dict[str, Any]: ...  # noqa: N803


def value(text: str, name: str) -> str:
    """One plain value of a tfvars file."""
    found = re.search(rf'^{name}\s*=\s*"([^"]*)"', text, re.MULTILINE)
    if not found:
        raise StackError(f"the values have no {name}")
    return found[1]


def running(sagemaker: SageMaker, endpoint: str) -> int | None:
    """How many instances serve now; None if there is no endpoint yet."""
    try:
        answer = sagemaker.describe_endpoint(EndpointName=endpoint)
    except Exception as error:  # botocore makes its classes at run time
        if "Could not find endpoint" in str(error):
            return None
        raise
    variants = answer.get("ProductionVariants") or []
    return sum(int(each.get("DesiredInstanceCount") or 0) for each in variants) or None


def takes_down(plan: dict[str, Any]) -> list[str]:
    """The endpoints that the plan would delete, be it only to make them anew."""
    return [
        change["address"]
        for change in plan.get("resource_changes", [])
        if change["type"] == ENDPOINT and "delete" in change["change"]["actions"]
    ]


class Stack:
    def __init__(self, root: str, name: str, terraform: str = "terraform") -> None:
        self.folder = TERRAFORM / root
        self.root, self.name, self.terraform = root, name, terraform
        file = self.folder / f"{name}.tfvars"
        if not file.exists():
            raise StackError(f"there is no {file}: copy dev.tfvars and change its values")
        text = file.read_text()
        self.prefix, self.region = value(text, "prefix"), value(text, "region")
        self.saved = self.folder / f"{name}.tfplan"

    def call(self, *arguments: str) -> None:
        subprocess.run([self.terraform, *arguments], cwd=self.folder, check=True)

    def init(self) -> None:
        bucket = f"{self.prefix}-state-{account()}"
        if self.root == "bootstrap" and not exists(bucket, self.region):
            self.folder.joinpath("local_override.tf").write_text(LOCAL)
            self.call("init", "-reconfigure", "-input=false")
            return
        self.folder.joinpath("local_override.tf").unlink(missing_ok=True)
        move = "-migrate-state" if self.root == "bootstrap" else "-reconfigure"
        settings = {
            "bucket": bucket,
            "key": f"{self.prefix}/{self.root}.tfstate",
            "region": self.region,
        }
        given = [f"-backend-config={name}={value}" for name, value in settings.items()]
        force = ["-force-copy"] if self.root == "bootstrap" else []
        self.call("init", move, *force, "-input=false", *given)

    def values(self) -> list[str]:
        given = [f"-var-file={self.name}.tfvars"]
        if self.folder.joinpath(f"{self.name}.auto.tfvars.json").exists():
            given.append(f"-var-file={self.name}.auto.tfvars.json")
        if self.root == "service":
            count = running(boto3.client("sagemaker", region_name=self.region), self.prefix)
            given += [f"-var=running_instances={count}"] if count else []
        return given

    def plan(self) -> None:
        self.init()
        self.call("plan", "-input=false", f"-out={self.saved.name}", *self.values())

    def apply(self) -> None:
        if not self.saved.exists():
            raise StackError(f"there is no plan of {self.root} for {self.name}: run plan first")
        command = [self.terraform, "show", "-json", self.saved.name]
        shown = subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        lost = takes_down(json.loads(shown.stdout))
        if lost and os.environ.get("KENNEL_REPLACE") != "yes":
            raise StackError(f"the plan takes down {', '.join(lost)}; KENNEL_REPLACE=yes allows it")
        try:
            self.call("apply", "-input=false", self.saved.name)
        finally:
            self.saved.unlink()  # a plan is good for one try
        if self.root == "bootstrap":
            self.init()

    def destroy(self) -> None:
        self.init()
        self.call("destroy", *self.values())


LOCAL = 'terraform {\n  backend "local" {}\n}\n'


def account() -> str:
    return str(boto3.client("sts").get_caller_identity()["Account"])


def exists(bucket: str, region: str) -> bool:
    try:
        boto3.client("s3", region_name=region).head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchBucket"):
            return False
        raise
    return True


def main(arguments: list[str]) -> int:
    if len(arguments) != 3 or arguments[0] not in VERBS or arguments[1] not in ROOTS:
        print(__doc__, file=sys.stderr)
        return 2
    verb, root, name = arguments
    try:
        getattr(Stack(root, name, os.environ.get("KENNEL_TERRAFORM", "terraform")), verb)()
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
