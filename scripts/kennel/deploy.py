"""`kennel deploy`: a release goes live, is tried, and goes back if it fails."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from kennel import aws, outputs, smoke, stack, which_image
from kennel.deployments import BEGUN, Deployment, History, ending_in
from kennel.errors import Failed, UserError
from kennel.outputs import Outputs
from kennel.registry import Registry
from kennel.runs import prices
from kennel.terminal import duration, ended_by_signals

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
    before = way_back(wanted, line_of_now(platform, wait=not dry_run))
    go(wanted, before, platform, env, as_json=as_json, dry_run=dry_run)


def go(
    wanted: Deployment,
    before: Deployment | None,
    platform: Outputs,
    env: str,
    *,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Deploy, or say what would be; the same for a rollback."""
    which_image.check(wanted.image, env)
    began = time.monotonic()
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
            plan["pictures"] = carry_out(wanted, before, History(platform), put)
        took = duration(time.monotonic() - began)
        console.print(f"all of it took {took}; {cost(outputs.read('service', env))}")
    if as_json:
        click.echo(json.dumps(plan | {"dry_run": dry_run}))
        return
    verb = "would deploy" if dry_run else "deployed"
    click.echo(f"{verb} {name_of(wanted)} in {env}, instead of {name_of(before)}")


def line_of_now(platform: Outputs, *, wait: bool) -> list[Deployment]:
    """What serves, last, and what it would be rolled back to, before it.

    A deployment that was killed has left no record: what the endpoint runs wins over what the
    records say. With `wait` only when the endpoint has come to rest, so that this stays so.
    """
    recorded = History(platform).line()
    if wait:
        stack.settle(platform)
    served = served_now(platform)
    if served is None or (recorded and recorded[-1].what == served.what):
        return recorded
    if recorded:
        console.print(
            f"the records say that {name_of(recorded[-1])} serves, but the endpoint runs "
            f"{name_of(served)} (a deployment was ended before it was recorded?): going by the "
            "endpoint"
        )
    return ending_in(served, recorded)


def way_back(wanted: Deployment, line: list[Deployment]) -> Deployment | None:
    """What serves; or, if that is this very one and has no record of having worked, what did."""
    if line and line[-1].what == wanted.what and not line[-1].at:
        line = line[:-1]
    return line[-1] if line else None


def served_now(platform: Outputs) -> Deployment | None:
    """What the endpoint runs, as the release that it is; 0 for what has no pictures to try."""
    found = stack.current(platform)
    if not found:
        return None
    served = Deployment(0, found["image"], found["model_data"], "deploy", "serving")
    for each in Registry(platform).all():
        if (each.image, each.model_data) == served.what and each.release_json:
            return replace(served, release=each.number)
    return served


def carry_out(wanted: Deployment, before: Deployment | None, history: History, put: Put) -> int:
    """Apply, try, record; on failure back to what served. How many pictures it was tried with."""
    if wanted.kind == "rollback":  # which, repeated after a kill, must not go one further back
        history.add(replace(wanted, outcome=BEGUN))
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
    stack.settle(platform)
    console.print(f"deploying {name_of(wanted)} in {env} ...")
    stack.apply(env, stack.values_of(wanted.image, wanted.model_data, platform))
    if not (content and content.get("examples")):
        console.print("it has no test pictures with it: not tried")
        return 0
    try:
        tried = smoke.check(outputs.read("service", env), content)
    except UserError as error:  # it serves already, so that it has to go back
        raise Failed(str(error)) from error
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
    hour = prices.stated(prices.estimate(kind, count, 3600), " an hour")
    return f"{count} x {kind} serve: {hour}"


def content_of(wanted: Deployment, platform: Outputs) -> dict[str, Any] | None:
    """The release.json; what was never a release has none."""
    if not wanted.release:
        return None
    registry = Registry(platform)
    return registry.content(registry.find(str(wanted.release)))


def restore(wanted: Deployment, before: Deployment | None, put: Put) -> str:
    """What served before serves again; what became of that, for the message."""
    if before is None or before.what == wanted.what:
        return "there is no release before it to go back to: the stack is as Terraform left it"
    try:
        put(before)
    except (UserError, BotoCoreError, ClientError) as error:
        return f"going back to {name_of(before)} failed too: {error}"
    return f"{name_of(before)} serves again"


def name_of(deployment: Deployment | None) -> str:
    if deployment is None:
        return "nothing"
    return f"release {deployment.release}" if deployment.release else "what was applied before"
