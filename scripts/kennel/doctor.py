"""`kennel doctor`: what is installed, who we are to AWS, what the account allows; with remedies."""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from kennel import aws, docker, git, outputs, quotas
from kennel.errors import UserError
from kennel.exits import Exit
from kennel.outputs import Outputs
from kennel.places import ROOT

OK, WARNING, FAULT = "ok", "warning", "fault"
COLOURS = {OK: "green", WARNING: "yellow", FAULT: "red"}
OLDEST_TERRAFORM = (1, 11)
ROOM = 15e9  # bytes: both images, their layers and a set
MOST_SKEW = 300  # seconds: AWS refuses signatures that are off by more


@dataclass(frozen=True)
class Finding:
    about: str
    state: str
    what: str
    remedy: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on stdout.")
@click.option("--offline", is_flag=True, help="Only what is installed; asks AWS nothing.")
@outputs.environment
def doctor(*, env: str, as_json: bool, offline: bool) -> None:
    """Look through this machine, the AWS account and the stack. Exits 1 if something is at fault.

    A warning is worth a look, and stands in the way of some verbs only.
    """
    found = list(examine(env, offline=offline))
    if as_json:
        click.echo(json.dumps({"findings": [asdict(each) for each in found]}))
    else:
        show(found)
    if any(each.state == FAULT for each in found):
        sys.exit(Exit.FAULT)


def examine(env: str, *, offline: bool) -> Iterator[Finding]:
    for look in (python, commit, containers, builder, room, terraform, cli):
        yield look()
    if offline:
        return
    who = account()
    yield who
    if who.state == FAULT:
        return
    yield told("clock", clock)
    platform_, finding = stack("platform", env)
    yield finding
    service, finding = stack("service", env)
    yield finding
    region = platform_.region if platform_ else str(aws.session().region_name or "")
    if region:
        yield from limits(platform_, service, region)


def show(found: list[Finding]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("state")
    table.add_column("about", no_wrap=True)
    table.add_column("what", overflow="fold")
    for each in found:
        table.add_row(f"[{COLOURS[each.state]}]{each.state}[/]", each.about, each.what)
        if each.remedy:
            table.add_row("", "", f"[dim]→ {each.remedy}[/]")
    Console(highlight=False).print(table)


# This machine ------------------------------------------------------------------------------------


def python() -> Finding:
    return Finding("python", OK, f"{platform.python_version()} on {platform.platform(terse=True)}")


def commit() -> Finding:
    try:
        state = git.state()
    except UserError as error:
        return Finding("git", WARNING, str(error), "clone the repository; needed to push images")
    remedy = "commit before you push to prod" if state.dirty else ""
    return Finding("git", WARNING if state.dirty else OK, state.tag, remedy)


def containers() -> Finding:
    try:
        docker.check(buildx=True)
    except UserError as error:
        return Finding("docker", WARNING, str(error), "needed for `make build push`")
    version = output("docker", "version", "--format", "{{.Server.Version}}")
    return Finding("docker", OK, f"engine {version}, with buildx")


def builder() -> Finding:
    able = docker.platforms() if shutil.which("docker") else set()
    if "linux/amd64" not in able:
        remedy = "`docker buildx create --use` makes a builder that can"
        return Finding("builder", WARNING, "cannot build for linux/amd64", remedy)
    return Finding("builder", OK, f"builds for {', '.join(sorted(able))}")


def room() -> Finding:
    free = shutil.disk_usage(ROOT).free
    remedy = "`docker system prune` and `make clean` free some" if free < ROOM else ""
    return Finding("disk", WARNING if remedy else OK, f"{free / 1e9:.0f} GB free", remedy)


def terraform() -> Finding:
    try:
        said = json.loads(output(outputs.terraform(), "version", "-json") or "{}")
    except UserError as error:
        return Finding("terraform", FAULT, str(error), "install Terraform 1.11 or newer")
    version = str(said.get("terraform_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_TERRAFORM:
        return Finding("terraform", FAULT, f"{version} is too old", "install 1.11 or newer")
    return Finding("terraform", OK, version)


def cli() -> Finding:
    """What many remedies and the runbook are typed with."""
    if shutil.which("aws"):
        return Finding("aws", OK, output("aws", "--version").split(" ")[0])
    return Finding("aws", WARNING, "there is no aws command", "install the AWS CLI, version 2")


def output(*command: str) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout.strip() if run.returncode == 0 else ""


# The account -------------------------------------------------------------------------------------


def told(about: str, action: Callable[[], Finding], state: str = FAULT) -> Finding:
    """The finding, or what AWS or we have to say against it."""
    try:
        return action()
    except (BotoCoreError, ClientError, UserError) as error:
        explained = error if isinstance(error, UserError) else aws.explain(error)
        return Finding(about, state, str(explained))  # it ends in its remedy


def account() -> Finding:
    def look() -> Finding:
        who = aws.identity()
        return Finding("account", OK, f"{who['Account']} as {who['Arn']}")

    return told("account", look)


def clock() -> Finding:
    """AWS refuses signatures of machines whose clock is off, and says so in other words."""
    answer = aws.client("sts", aws.session().region_name or "us-east-1").get_caller_identity()
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    skew = abs((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()) if said else 0
    remedy = "`timedatectl set-ntp true`" if skew > MOST_SKEW / 2 else ""
    return Finding("clock", FAULT if remedy else OK, f"{skew:.0f} s off AWS's", remedy)


def stack(root: str, env: str) -> tuple[Outputs | None, Finding]:
    """The outputs of a root, if it is applied; that it is not is no fault."""
    found: Outputs | None = None

    def look() -> Finding:
        nonlocal found
        read = outputs.read(root, env)
        key = str(read.get("kms_key_arn", ""))  # arn:aws:kms:REGION:ACCOUNT:key/...
        if key and (owner := key.split(":")[4]) != aws.account():
            what = f"{root} of {env} is in account {owner}, the credentials are for another"
            return Finding(root, FAULT, what, f"AWS_PROFILE of account {owner}")
        found = read
        return Finding(root, OK, f"{env} in {read.region}")

    finding = told(root, look, WARNING)
    return found, finding


def limits(platform_: Outputs | None, service: Outputs | None, region: str) -> Iterator[Finding]:
    """What the account may have at once, where a stack like ours needs it."""
    job: dict[str, Any] = platform_.get("training_job") or {} if platform_ else {}
    kinds = quotas.needed(job, *serving(service, region))
    yield told("lambda", lambda: concurrency(region, 0 if service else quotas.RESERVED), WARNING)
    yield from (
        told(each.about, lambda each=each: quota(each, region), WARNING)  # type: ignore[misc]
        for each in kinds
    )
    fleet: dict[str, Any] = platform_.get("fleet") or {} if platform_ else {}
    kind, nodes = fleet.get("instance_type") or quotas.FLEET, int(fleet.get("max_count") or 1)
    for about, spot in (("ec2", False), ("ec2 spot", True)):
        yield told(about, partial(of_fleet, kind, nodes, region, spot=spot), WARNING)


def serving(service: Outputs | None, region: str) -> tuple[str, int]:
    """What the endpoint runs on, and on how many, or what it would by default."""
    if service is None:
        return quotas.SERVING, 1
    sagemaker = aws.client("sagemaker", region)
    try:
        endpoint = sagemaker.describe_endpoint(EndpointName=service["endpoint_name"])
        config = sagemaker.describe_endpoint_config(
            EndpointConfigName=endpoint["EndpointConfigName"]
        )
        count = endpoint["ProductionVariants"][0].get("DesiredInstanceCount") or 1
        return str(config["ProductionVariants"][0]["InstanceType"]), int(count)
    except (BotoCoreError, ClientError, KeyError, UserError):
        return quotas.SERVING, 1


def of_fleet(kind: str, nodes: int, region: str, *, spot: bool) -> Finding:
    return quota(quotas.of_fleet(kind, nodes, region, spot=spot), region)


def quota(wanted: quotas.Wanted, region: str) -> Finding:
    found = quotas.value(wanted, region)
    if found is None:
        what = f"{wanted.name}: not known to Service Quotas in {region}"
        return Finding(wanted.about, WARNING, what, "look whether AWS offers that type there")
    code, value = found
    what = f"{wanted.name}: {value:g}, {wanted.least:g} needed"
    if value >= wanted.least:
        return Finding(wanted.about, OK, what)
    return Finding(wanted.about, WARNING, what, quotas.request(wanted, code, region))


def concurrency(region: str, reserve: int) -> Finding:
    """Whether the function can still reserve so many executions."""
    limit = aws.client("lambda", region).get_account_settings()["AccountLimit"]
    total, free = int(limit["ConcurrentExecutions"]), int(limit["UnreservedConcurrentExecutions"])
    what = f"{total} concurrent executions, {free} not reserved"
    lacking = quotas.UNRESERVED + reserve - free
    if lacking <= 0:
        return Finding("lambda", OK, what)
    wanted = quotas.Wanted("lambda", "lambda", "", total + lacking, quotas.LAMBDA_CODE)
    what += f"; the function reserves {reserve} and {quotas.UNRESERVED} must stay"
    return Finding("lambda", WARNING, what, quotas.request(wanted, wanted.code, region))
