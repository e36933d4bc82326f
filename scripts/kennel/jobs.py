"""`kennel jobs`: runs that go on without us, or have ended."""

import json
import time
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
from rich.table import Table

from kennel import outputs
from kennel.network import outlasting
from kennel.outputs import Outputs
from kennel.runs import fleet, here, training
from kennel.runs.follow import POLL
from kennel.runs.run import RESULTS, Run, Status, summary
from kennel.terminal import show as show_table


@click.group()
def jobs() -> None:
    """Training runs on SageMaker, on EC2 and here: list, watch, stop them."""


def find(name: str, env: str) -> tuple[Run, Outputs | None]:
    """A name tells where the run is: ours begin with local-, EC2's with r-."""
    if (RESULTS / name / "run.json").exists():
        return here.LocalRun(name), None
    platform = outputs.read("platform", env)
    if name.startswith("r-"):
        return fleet.FleetRun(name, platform), platform
    return training.TrainingJob(name, platform), platform


@jobs.command("list")
@click.option("--most", default=20, show_default=True, help="Of each place, the newest.")
@click.option("--local", "only_local", is_flag=True, help="Only this machine's; asks AWS nothing.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
@outputs.environment
def list_(*, env: str, most: int, only_local: bool, as_json: bool) -> None:
    """What runs and what has run, the newest first."""
    found: list[dict[str, Any]] = []
    if not only_local:
        platform = outputs.read("platform", env)
        for each in training.recent(platform, most):
            began = each["CreationTime"].isoformat(timespec="seconds")
            row = {"name": each["TrainingJobName"], "where": "sagemaker", "began": began}
            found.append(row | {"state": each["TrainingJobStatus"]})
        found += [row_of(each) for each in fleet.recent(platform, most)]
    found += [row_of(each) for each in here.recent(most)]
    found.sort(key=lambda row: datetime.fromisoformat(row["began"]), reverse=True)
    if as_json:
        click.echo(json.dumps({"jobs": found}))
        return
    table = Table("name", "where", "state", "began", box=None)
    for row in found:
        table.add_row(*(str(row[name]) for name in ("name", "where", "state", "began")))
    if found:
        show_table(table)
    else:
        click.echo("no jobs yet: `kennel train` starts one")


def row_of(run: Run) -> dict[str, Any]:
    status = run.status()
    return {"name": run.name, "where": run.where, "state": status.state, "began": status.began}


@jobs.command()
@click.argument("name")
@click.option("--follow", is_flag=True, help="Go on until the run ends, or Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each line.")
@outputs.environment
def logs(name: str, *, env: str, follow: bool, as_json: bool) -> None:
    """The whole log of run NAME, all hosts in the order of time."""
    run, _ = find(name, env)

    def look() -> Status:
        status = run.status()  # before the lines, so that the last ones are not missed
        for line in run.lines():
            click.echo(json.dumps(asdict(line)) if as_json else f"{line.host}  {line.text}")
        return status

    def note(text: str) -> None:
        click.echo(text, err=True)

    status = look()
    while follow and not status.ended:
        time.sleep(POLL)
        status = outlasting(look, note, time.sleep, POLL)


@jobs.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Say what would be stopped.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
@outputs.environment
def stop(name: str, *, env: str, dry_run: bool, as_json: bool) -> None:
    """End run NAME; its trainer gets time to save its state. Stopping what has ended is no error.

    The nodes of a fleet are terminated: what was saved in S3 within the last minute stays.
    """
    run, _ = find(name, env)
    status = run.status()
    # A fleet has failed when it loses one node; the others still end by themselves.
    goes_on = not status.ended or status.reason == fleet.INTERRUPTED
    if goes_on and not dry_run:
        run.stop()
    if as_json:
        told = {"name": name, "state": status.state, "stopping": goes_on}
        click.echo(json.dumps(told | {"dry_run": dry_run}))
    elif not goes_on:
        click.echo(f"{name} has ended: {status.state}")
    else:
        click.echo(f"{'would stop' if dry_run else 'stopping'} {name}")


@jobs.command()
@click.argument("name")
@click.option("--quiet", is_flag=True, help="Of the log, show epochs only.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@outputs.environment
def attach(name: str, *, env: str, quiet: bool, as_json: bool) -> None:
    """Watch run NAME as `kennel train` does, from its first line to its release and its cost.

    Also for one that has ended: the report is brought here again, the release made if there is
    none. Ctrl-C leaves the run alone. A fleet that loses its Spot capacity is not started again:
    `kennel train --where ec2 --resume NAME` goes on from its checkpoint.
    """
    from kennel import train  # noqa: PLC0415 - that module knows this one's group

    run, platform = find(name, env)
    outcome = train.finish(run, platform, env, quiet=quiet)
    click.echo(json.dumps(outcome) if as_json else outcome["model_data"])


@jobs.command()
@click.argument("name")
@click.option("--json", is_flag=True, expose_value=False, help="As JSON on stdout; it always is.")
@outputs.environment
def show(name: str, *, env: str) -> None:
    """The state of run NAME as JSON: what it does, what it has cost so far, why it failed."""
    run, _ = find(name, env)
    click.echo(json.dumps(summary(run, run.status(), None), indent=2))
