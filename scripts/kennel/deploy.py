"""`kennel deploy`: a release goes live, is tried, and goes back if it fails."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from kennel import aws, outputs, smoke, stack
from kennel.deployments import Deployment, History
from kennel.errors import Failed, UserError
from kennel.outputs import Outputs
from kennel.registry import Registry
from kennel.runs import prices
from kennel.terminal import ended_by_signals

Put = Callable[[Deployment], int]  # makes it live and tries it
console = Console(stderr=True, highlight=False, soft_wrap=True)


@click.command()
@click.argument("release", default="approved")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@click.option("--dry-run", is_flag=True, help="Say what would be deployed; change nothing.")
@outputs.environment
def deploy(release: str, *, env: str, as_json: bool, dry_run: bool) -> None:
    """Deploy RELEASE: a number that `kennel models list` shows, or the newest approved one.

    Terraform applies the service with it, blue/green, and the alarms of the release may end that.
    Then the release's own test pictures go through the public API: each must get the answer that
    the model gave after training. If any of this fails, the release before is deployed again,
    and the exit code is 3.
    """
    platform = outputs.read("platform", env)
    chosen = Registry(platform).find(release)
    if chosen.state != "approved":
        raise UserError(
            f"release {chosen.number} is {chosen.state}: look at it with `kennel models show "
            f"{chosen.number}`, and approve it with `kennel models approve {chosen.number}`"
        )
    wanted = Deployment(chosen.number, chosen.image, chosen.model_data, "deploy", "serving")
    go(wanted, platform, env, as_json=as_json, dry_run=dry_run)


def go(wanted: Deployment, platform: Outputs, env: str, *, as_json: bool, dry_run: bool) -> None:
    """Deploy, or say what would be; the same for a rollback."""
    history = History(platform)
    before = serving(history, env)
    plan = {
        "env": env,
        "kind": wanted.kind,
        "release": wanted.release,
        "image": wanted.image,
        "model_data": wanted.model_data,
        "instead_of": before.release if before else None,
    }
    if not dry_run:
        with ended_by_signals():
            put = partial(applied, platform=platform, env=env)
            plan["pictures"] = carry_out(wanted, before, history, put)
        console.print(cost(outputs.read("service", env)))
    if as_json:
        click.echo(json.dumps(plan | {"dry_run": dry_run}))
        return
    verb = "would deploy" if dry_run else "deployed"
    click.echo(f"{verb} {name_of(wanted)} in {env}, instead of {name_of(before)}")


def serving(history: History, env: str) -> Deployment | None:
    """What the records say serves; else what was applied without them."""
    line = history.line()
    if line:
        return line[-1]
    found = stack.current(env)
    if len(found) < 2:
        return None
    return Deployment(0, found["image"], found["model_data"], "deploy", "serving")


def carry_out(wanted: Deployment, before: Deployment | None, history: History, put: Put) -> int:
    """Apply, try, record; on failure back to what served. How many pictures it was tried with."""
    try:
        tried = put(wanted)
    except Failed as error:
        console.print(f"[bold red]{name_of(wanted)} failed[/]: {escape(str(error))}")
        told = restore(wanted, before, put)
        told += noted(history, replace(wanted, outcome="failed", reason=str(error)[:1000]))
        raise Failed(f"{name_of(wanted)} failed: {error}; {told}") from error
    history.add(wanted)
    return tried


def noted(history: History, failed: Deployment) -> str:
    """Record a failure; a network that is gone, too, must not hide what has failed."""
    try:
        history.add(failed)
    except (BotoCoreError, ClientError) as error:
        return f"; it could not be recorded: {error}"
    return ""


def applied(wanted: Deployment, platform: Outputs, env: str) -> int:
    """Live, and asked about its pictures; Failed if either goes wrong."""
    content = content_of(wanted, platform)
    console.print(f"deploying {name_of(wanted)} in {env} ...")
    stack.apply(env, stack.values_of(wanted.image, wanted.model_data, platform))
    if content is None:
        console.print("it has no test pictures with it: not tried")
        return 0
    tried = smoke.check(outputs.read("service", env), content)
    console.print(f"{tried} test pictures through the API, all answered as after training")
    return tried


def cost(service: Outputs) -> str:
    """What serving costs from now on: the instances of the endpoint, the most of it by far."""
    sagemaker = aws.client("sagemaker", service.region)
    found = sagemaker.describe_endpoint(EndpointName=service["endpoint_name"])
    given = sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    kind = given["ProductionVariants"][0].get("InstanceType")
    if not kind:
        return "serverless: each request costs"
    count = sum(int(each["DesiredInstanceCount"]) for each in found["ProductionVariants"])
    hour = prices.dollars(prices.estimate(kind, count, 3600))
    return f"{count} x {kind} serve: {hour} an hour, by list prices of {prices.DATE}"


def content_of(wanted: Deployment, platform: Outputs) -> dict[str, Any] | None:
    """The release.json; what was never a release has none."""
    if not wanted.release:
        return None
    registry = Registry(platform)
    return registry.content(registry.find(str(wanted.release)))


def restore(wanted: Deployment, before: Deployment | None, put: Put) -> str:
    """What served before serves again; what became of that, for the message."""
    if before is None or (before.image, before.model_data) == (wanted.image, wanted.model_data):
        return "there is no release before it to go back to: the stack is as Terraform left it"
    try:
        put(before)
    except Failed as error:
        return f"going back to {name_of(before)} failed too: {error}"
    return f"{name_of(before)} serves again"


def name_of(deployment: Deployment | None) -> str:
    if deployment is None:
        return "nothing"
    return f"release {deployment.release}" if deployment.release else "what was applied before"
