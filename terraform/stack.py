"""Plan, apply or destroy one root in one environment.

    python terraform/stack.py plan platform dev       # saves the plan
    python terraform/stack.py apply platform dev      # applies the saved plan, and nothing else
    python terraform/stack.py destroy service dev

State is kept in the bucket that the root `bootstrap` makes, PREFIX-state-ACCOUNT; bootstrap's own
state starts on this machine, moves there when its apply has succeeded, and comes back to be
destroyed. Values come from ROOT/ENV.tfvars, and from ROOT/ENV.release.json where scripts leave
a release. `plan service` looks how many instances run, so that a new release starts with as many.

A plan that would take the endpoint down is not applied unless KENNEL_REPLACE=yes: every caller
would be refused meanwhile. Nothing is destroyed while a bucket or repository holds something that
`force_destroy` does not give up: half a stack would be left.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from endpoint import SageMaker, end, rolling_back, running
from shown import shown

ROOTS = ("bootstrap", "platform", "service")
VERBS = ("plan", "apply", "destroy")
TERRAFORM = Path(__file__).resolve().parent
ENDPOINT = "aws_sagemaker_endpoint"


class StackError(Exception):
    """The command cannot be carried out; the message says what to do."""


def value(text: str, name: str) -> str:
    """One plain value of a tfvars file."""
    found = re.search(rf'^{name}\s*=\s*"([^"]*)"', text, re.MULTILINE)
    if not found:
        raise StackError(f"the values have no {name}")
    return found[1]


def takes_down(plan: dict[str, Any]) -> list[str]:
    """The endpoints that the plan would delete, be it only to make them anew, and why."""
    return [
        change["address"] + reason(change["change"])
        for change in plan.get("resource_changes", [])
        if change["type"] == ENDPOINT and "delete" in change["change"]["actions"]
    ]


def reason(change: dict[str, Any]) -> str:
    """What cannot be changed in place: rollback alarms, say, where there were none before."""
    paths = [".".join(map(str, path)) for path in change.get("replace_paths", [])]
    return f" (for its {', '.join(paths)})" if paths else ""


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
        self.at_home = self.folder / f"{name}.tfstate"  # bootstrap's, while it has no bucket

    @cached_property
    def bucket(self) -> str:
        return f"{self.prefix}-state-{account()}"

    def sagemaker(self) -> SageMaker:
        client: SageMaker = boto3.client("sagemaker", region_name=self.region)
        return client

    def call(self, *arguments: str) -> None:
        """Ctrl-C reaches Terraform too, which ends in good order; killed, it would leave a lock."""
        with subprocess.Popen([self.terraform, *arguments], cwd=self.folder) as process:
            while process.returncode is None:
                with suppress(KeyboardInterrupt):
                    process.wait()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, arguments)

    def read(self, *arguments: str) -> Any:
        command = [self.terraform, *arguments]
        done = subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout or "{}")

    def init(self) -> None:
        """-reconfigure: what another environment has left in .terraform is none of ours."""
        if self.is_at_home():
            self.at(self.at_home.name)
            self.call("init", "-reconfigure", "-input=false")
        else:
            self.at(None)
            self.call("init", "-reconfigure", "-input=false", *self.backend())

    def is_at_home(self) -> bool:
        """Until an apply of bootstrap has succeeded, as a bucket may be there without its locks."""
        if self.root != "bootstrap":
            return False
        return self.at_home.exists() or not exists(s3(self.region), self.bucket)

    def at(self, file: str | None) -> None:
        override = self.folder / "local_override.tf"
        if file:
            override.write_text(LOCAL.format(file=file))
        else:
            override.unlink(missing_ok=True)

    def backend(self) -> list[str]:
        key = f"{self.prefix}/{self.root}.tfstate"
        settings = {"bucket": self.bucket, "key": key, "region": self.region}
        return [f"-backend-config={name}={value}" for name, value in settings.items()]

    def values(self) -> list[str]:
        given = [f"-var-file={self.name}.tfvars"]
        if self.folder.joinpath(f"{self.name}.release.json").exists():
            given.append(f"-var-file={self.name}.release.json")
        if self.root == "service":
            count = running(self.sagemaker(), self.prefix)
            given += [f"-var=running_instances={count}"] if count else []
        return given

    def plan(self) -> None:
        self.saved.unlink(missing_ok=True)  # if this plan fails, no other may be applied for it
        self.init()
        self.call("plan", "-input=false", f"-out={self.saved.name}", *self.values())

    def apply(self) -> None:
        if not self.saved.exists():
            raise StackError(f"there is no plan of {self.root} for {self.name}: run plan first")
        # No other root has an endpoint to lose.
        plan = self.read("show", "-json", self.saved.name) if self.root == "service" else {}
        lost = takes_down(plan)
        if lost and os.environ.get("KENNEL_REPLACE") != "yes":
            raise StackError(
                f"the plan takes down {', '.join(lost)} and makes no other before, so all callers "
                "would be refused meanwhile: give the new one another prefix and move the callers, "
                "or set KENNEL_REPLACE=yes"
            )
        self.init()
        try:
            self.call("apply", "-input=false", self.saved.name)
            if self.is_at_home():
                self.move_out()
        except subprocess.CalledProcessError:
            if self.root == "service" and rolling_back(self.sagemaker(), self.prefix):
                raise StackError(ROLLING_BACK.format(self.prefix)) from None
            raise
        finally:
            self.saved.unlink()  # a plan is good for one try
            if not self.is_at_home():
                self.show()

    def move_out(self) -> None:
        """From this machine into the bucket that has just been made."""
        self.at(None)
        self.call("init", "-migrate-state", "-force-copy", "-input=false", *self.backend())
        self.forget()

    def move_home(self) -> None:
        self.at(self.at_home.name)
        self.call("init", "-migrate-state", "-force-copy", "-input=false")

    def show(self) -> None:
        """Leave a copy of the state without secrets, for those who may plan and not apply."""
        copy = json.dumps(shown(self.read("state", "pull")))
        key = f"{self.prefix}/shown/{self.root}.tfstate"
        s3(self.region).put_object(Bucket=self.bucket, Key=key, Body=copy.encode())

    def destroy(self) -> None:
        self.init()
        state = self.read("state", "pull")  # `show -json` starts the provider to say the same
        if full := self.full(state):
            raise StackError(
                f"{', '.join(full)} would be left, with what it holds: set force_destroy = true in "
                f"{self.root}/{self.name}.tfvars, plan and apply, and destroy then"
            )
        if self.root == "bootstrap" and not self.is_at_home():
            if others := self.others():
                raise StackError(f"{', '.join(others)} must be destroyed first: its state is here")
            self.move_home()
        self.call("destroy", *self.values())
        for kind, values in resources(state):
            if kind == ENDPOINT:
                end(self.sagemaker(), values["name"])
        if self.root != "bootstrap":
            self.show()
        elif not self.read("state", "pull").get("resources"):
            self.forget()

    def forget(self) -> None:
        """The state on this machine, and Terraform's backups of it."""
        for file in self.folder.glob(f"{self.at_home.name}*"):
            file.unlink()

    def full(self, state: dict[str, Any]) -> list[str]:
        """Buckets and repositories that hold something and are not to be emptied."""
        found = []
        for kind, values in resources(state):
            if kind == "aws_s3_bucket" and not values["force_destroy"]:
                answer = s3(self.region).list_object_versions(Bucket=values["bucket"], MaxKeys=1)
                found += [values["bucket"]] if answer.get("Versions") else []
            if kind == "aws_ecr_repository" and not values["force_delete"]:
                ecr = boto3.client("ecr", region_name=self.region)
                answer = ecr.list_images(repositoryName=values["name"], maxResults=1)
                found += [values["name"]] if answer["imageIds"] else []
        return found

    def others(self) -> list[str]:
        """Roots whose resources only their state in this bucket knows."""
        found = []
        for root in ROOTS[1:]:
            key = f"{self.prefix}/{root}.tfstate"
            try:
                body = s3(self.region).get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchKey":
                    continue
                raise
            found += [root] if json.loads(body)["resources"] else []
        return found


ROLLING_BACK = (
    "SageMaker is rolling this release back: endpoint {0} goes on with the previous one. An alarm "
    "of the release rang ({0}-rollback-errors, {0}-rollback-latency), or the new container did not "
    "start: see /aws/sagemaker/Endpoints/{0}. When it is in service again, apply a mended release"
)
LOCAL = 'terraform {{\n  backend "local" {{\n    path = "{file}"\n  }}\n}}\n'


def account() -> str:
    return str(boto3.client("sts", region_name="us-east-1").get_caller_identity()["Account"])


def s3(region: str) -> Any:
    return boto3.client("s3", region_name=region)


def exists(client: Any, bucket: str) -> bool:
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchBucket"):
            return False
        raise
    return True


def resources(state: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Type and values of all that a state manages."""
    for each in state.get("resources", []):
        if each["mode"] == "managed":
            for instance in each["instances"]:
                yield each["type"], instance["attributes"]


def main(arguments: list[str]) -> int:
    if len(arguments) != 3 or arguments[0] not in VERBS or arguments[1] not in ROOTS:
        print(__doc__, file=sys.stderr)
        return 2
    verb, root, name = arguments
    # The provider's schema is most of what Terraform holds in memory, and Go would look for garbage
    # in it again and again: a plan takes a fifth less of the processors so, for some memory.
    os.environ.setdefault("GOGC", "400")
    try:
        getattr(Stack(root, name, os.environ.get("KENNEL_TERRAFORM", "terraform")), verb)()
    except (StackError, BotoCoreError, ClientError) as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
