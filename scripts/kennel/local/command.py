"""`kennel local`: an AWS account on this machine, with real processes or containers behind it."""

import json
import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.table import Table

from kennel import outputs
from kennel.errors import UserError
from kennel.local.account import DEFAULTS, Account

console = Console(highlight=False, stderr=True)
RUNNERS = ["processes", "docker"]
UNSET = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_PROFILE")


def document(_: click.Context, __: click.Parameter, file: IO[str] | None) -> Any:
    """The JSON object that an option's file holds."""
    if file is None:
        return None
    try:
        with file:
            found = json.load(file)
    except ValueError as error:
        raise click.BadParameter(f"{file.name} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.BadParameter(f'{file.name} is no JSON object: write {{"variable": value}}')
    return found


@click.group()
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=Path(".kennel/local"),
    show_default=True,
    help="Folder of everything; an account for each.",
)
@click.pass_context
def local(context: click.Context, home: Path) -> None:
    """An AWS account on this machine: the same Terraform, real servers, real limits."""
    context.obj = Account(home)


@local.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), envvar="KENNEL_LOCAL_PORT",
    help=f"Of all services, on loopback; 0: any [default: {DEFAULTS['port']}].",
)  # fmt: skip
@click.option(
    "--runner",
    type=click.Choice(RUNNERS),
    help=f"What instances are [default: {DEFAULTS['runner']}].",
)
@click.option(
    "--speed", type=click.FloatRange(0, 10_000, min_open=True), envvar="KENNEL_LOCAL_SPEED",
    help=f"How much faster AWS's waits pass [default: {DEFAULTS['speed']:g}].",
)  # fmt: skip
@click.option("--classes", type=int, help="Of drawn pictures to learn [default: 4].")
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True),
    help="A model.tar.gz to serve instead of training one.",
)
@click.option(
    "--values",
    type=click.File(),
    callback=document,
    help="JSON with more variables of terraform/service.",
)
@click.option("--bare", is_flag=True, help="Start the account, and put nothing into it.")
@click.pass_obj
def up(
    account: Account,
    *,
    port: int | None,
    runner: str | None,
    speed: float | None,
    classes: int | None,
    model: Path | None,
    values: Any,
    bare: bool,
) -> None:
    """Start the account, apply both Terraform roots, train, and classify a picture.

    What is there already is kept: run it again after a change, or after a restart. So are --model,
    --classes and --values, until they are given anew; and --port, --runner and --speed for good.
    """
    from kennel.local.up import Journey, Wishes  # noqa: PLC0415 - boto3 takes its time

    began = time.monotonic()
    with account.alone():
        account.check(port=port, runner=runner, speed=speed)
        if not bare:
            outputs.terraform()  # or say what to install, before anything runs
        wish = account.wished(
            classes=classes,
            model=str(model) if model else None,
            values=values,
        )
        journey = Journey(account, Wishes(port, runner, speed, **wish))
        step("1/5", "Start", journey.start)
        if bare:
            return
        step("2/5", "Platform", journey.platform)
        step("3/5", "Train", journey.train)
        step("4/5", "Service", journey.service)
        answer = step("5/5", "Ask", journey.ask)
    click.echo(json.dumps(answer, indent=2))
    console.print(f"\nUp in {time.monotonic() - began:.0f} s. Ask it yourself:\n")
    console.print(f"  {journey.example}\n", soft_wrap=True)
    console.print('Other AWS clients:  eval "$(kennel local env)"        End:  kennel local down')


@local.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def status(account: Account, *, as_json: bool) -> None:
    """Where the account answers, and what runs in it."""
    found = looked_at(account)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif found["address"] is None:
        click.echo("not running")
    else:
        click.echo(f"{found['address']} (process {found['pid']})")
        show(found["endpoints"])


@local.command()
@click.argument("name", required=False)
@click.option("--lines", default=40, show_default=True, help="Of the end of each log.")
@click.pass_obj
def logs(account: Account, name: str | None, *, lines: int) -> None:
    """The logs: of the account itself, of Terraform, of every server and job.

    With NAME only those whose names hold it.
    """
    found = list(logs_of(account, name or ""))
    if not found:
        raise UserError(f"{account.home} holds no such log")
    for path in found:
        click.echo(f"==> {path} <==")
        for line in path.read_text(errors="replace").splitlines()[-lines:]:
            click.echo(line)


@local.command()
@click.option("--keep", is_flag=True, help="Only end it: `up` brings back what was there.")
@click.pass_obj
def down(account: Account, *, keep: bool) -> None:
    """End every process and container of the account, and delete every file of it."""
    with account.alone():
        if keep:
            account.stop()
        else:
            account.remove()
    if not keep:
        account.lock.unlink(missing_ok=True)


@local.command()
@click.pass_obj
def env(account: Account) -> None:
    """Print what points the AWS CLI, boto3 and Terraform at the account: eval "$(...)".

    The verbs then work on what `kennel local up` has put into it; in one that was started with
    --bare, on the stacks that you apply to it from terraform/, as on AWS.
    """
    from kennel.local.terraform import environment  # noqa: PLC0415 - only here

    running = account.running()
    if running is None:
        raise UserError("the account does not run: start it with kennel local up")
    settings = environment(running["address"], running["region"])
    settings["AWS_ENDPOINT_URL_EXECUTE_API"] = running["api"]
    file = account.home.absolute() / "outputs.json"
    if file.exists():
        settings |= {"KENNEL_ENV": "local", "KENNEL_OUTPUTS": str(file)}
    unset = [*UNSET, *({"KENNEL_ENV", "KENNEL_OUTPUTS"} - settings.keys())]
    click.echo("\n".join(f"export {name}={shlex.quote(text)}" for name, text in settings.items()))
    click.echo(f"unset {' '.join(sorted(unset))}")


def step(number: str, title: str, do: Any) -> Any:
    began = time.monotonic()
    with console.status(f"{number} {title}"):
        told = do()
    seconds = f"[dim]{time.monotonic() - began:5.1f} s[/]"
    shown = told if isinstance(told, str) else ""
    console.print(f"[bold cyan]{number}[/] [bold]{title:8}[/] {seconds}  {shown}", soft_wrap=True)
    return told


def looked_at(account: Account) -> dict[str, Any]:
    from kennel.local.up import client  # noqa: PLC0415 - boto3 takes its time

    running = account.running()
    if running is None:
        return {"address": None, "pid": None, "endpoints": []}
    sagemaker = client("sagemaker", running["address"], running["region"])
    named = [each["EndpointName"] for each in sagemaker.list_endpoints()["Endpoints"]]
    return {
        "address": running["address"],
        "pid": running["pid"],
        "endpoints": [told(sagemaker.describe_endpoint(EndpointName=name)) for name in named],
    }


def told(endpoint: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": endpoint["EndpointName"],
        "status": endpoint["EndpointStatus"],
        "reason": endpoint.get("FailureReason", ""),
        "config": endpoint["EndpointConfigName"],
        "instances": {
            each["VariantName"]: each["CurrentInstanceCount"]
            for each in endpoint["ProductionVariants"]
        },
    }


def show(endpoints: list[dict[str, Any]]) -> None:
    table = Table("endpoint", "status", "instances", "configuration", "reason", box=None)
    for each in endpoints:
        counts = ", ".join(f"{name} {count}" for name, count in each["instances"].items())
        table.add_row(each["name"], each["status"], counts, each["config"], each["reason"])
    Console(width=None if os.isatty(1) else 200).print(table)


def logs_of(account: Account, part: str) -> Iterator[Path]:
    places = [account.home / "terraform.log", account.log, *(account.state / "logs").glob("*.log")]
    for path in sorted(places):
        if path.exists() and part in path.name:
            yield path
