"""`kennel models`: releases, from SageMaker's model registry."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from kennel import artifact, jobs, outputs, stack, which_image
from kennel.deployments import History
from kennel.errors import UserError
from kennel.outputs import Outputs
from kennel.registry import Registry, Release
from kennel.runs import results
from kennel.runs.run import RESULTS, Result
from kennel.terminal import show as show_table

SHOWN = ("model", "version", "fp32.test_accuracy", "int8.test_accuracy")


@click.group()
def models() -> None:
    """Releases: a serving image and a model artifact that go live together."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
@outputs.environment
def list_(*, env: str, as_json: bool) -> None:
    """All releases, the newest first, and which one serves."""
    platform = outputs.read("platform", env)
    releases = Registry(platform).all()
    live = serving(platform, releases)
    if as_json:
        told = [described(each) | {"serving": each.number == live} for each in releases]
        click.echo(json.dumps({"releases": told}))
        return
    table = Table("release", "state", "model", "version", "fp32", "int8", "made", box=None)
    for each in releases:
        state = f"[green]{each.state}, serving[/]" if each.number == live else each.state
        cells = [shown(each.facts.get(name, "")) for name in SHOWN]
        table.add_row(str(each.number), state, *cells, each.created)
    if releases:
        show_table(table)
    else:
        click.echo("no releases yet: `kennel train` makes one")


@models.command()
@click.argument("release", default="latest")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout, with the manifest.")
@outputs.environment
def show(release: str, *, env: str, as_json: bool) -> None:
    """All that is known of RELEASE: a number, latest, approved."""
    registry = Registry(outputs.read("platform", env))
    found = registry.find(release)
    if as_json:
        manifest = registry.content(found)["manifest"] if found.release_json else None
        click.echo(json.dumps(described(found) | {"manifest": manifest}))
        return
    table = Table(show_header=False, box=None)
    for name, value in described(found).items():
        for row in value.items() if isinstance(value, dict) else [(name, value)]:
            table.add_row(*map(str, row))
    show_table(table)


@models.command()
@click.argument("first")
@click.argument("second")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
@outputs.environment
def compare(first: str, second: str, *, env: str, as_json: bool) -> None:
    """What differs between two releases, and by how much where it is a number."""
    registry = Registry(outputs.read("platform", env))
    rows = differences(registry.find(first), registry.find(second))
    if as_json:
        click.echo(json.dumps({"differences": rows}))
        return
    table = Table("", first, second, "difference", box=None)
    for row in rows:
        table.add_row(*(str(row[name]) for name in ("name", "first", "second", "difference")))
    if rows:
        show_table(table)
    else:
        click.echo(f"{first} and {second} are the same")


def judging(verb: Callable[..., None]) -> Callable[..., None]:
    """What approving and rejecting take."""
    verb = click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")(verb)
    verb = click.option("--dry-run", is_flag=True, help="Say which release it would be.")(verb)
    verb = click.option("--reason", default="", help="Kept with the release.")(verb)
    return click.argument("release")(outputs.environment(verb))


@models.command()
@judging
def approve(**given: Any) -> None:
    """Allow RELEASE (a number, or latest) to be deployed."""
    judge(state="approved", **given)


@models.command()
@judging
def reject(**given: Any) -> None:
    """Forbid to deploy RELEASE. What serves goes on serving."""
    judge(state="rejected", **given)


@models.command()
@click.argument("source")
@click.option("--image", default="", help="Serving image by digest [default: the last pushed].")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
@click.option("--dry-run", is_flag=True, help="Say what it would consist of.")
@outputs.environment
def add(source: str, *, env: str, image: str, as_json: bool, dry_run: bool) -> None:
    """Make a release of a job's result (SOURCE is its name), of a fleet's or a local run's too.

    `kennel train` does this by itself; it is for a model trained on this machine, or for one whose
    serving image was pushed later. The same image and model are one release, however often added.
    """
    platform = outputs.read("platform", env)
    registry = Registry(platform)
    image = image or which_image.find("serve", platform, env)
    if dry_run:
        plan = {"job": source, "image": image, "dry_run": True}
        click.echo(json.dumps(plan) if as_json else f"would make a release of {source}, in {image}")
        return
    release = registry.add(result_of(source, env, registry), image, source)
    if as_json:
        click.echo(json.dumps(described(release)))
    else:
        click.echo(f"release {release.number}, {release.state}")


def result_of(job: str, env: str, registry: Registry) -> Result:
    run, _ = jobs.find(job, env)
    status, folder = run.status(), RESULTS / job
    if not status.ended:
        raise UserError(f"{job} has not ended: `kennel jobs attach {job}` waits for that")
    if status.state != "Completed":
        raise UserError(
            f"{job} is not completed, but {status.state}: `kennel train --where {run.where} "
            f"--resume {job}` goes on from its checkpoint"
        )
    found = run.collect(folder)
    if run.where != "local":
        return found
    artifact.unpack(Path(found.model_data), folder / "checked")
    return results.result(registry.upload(Path(found.model_data), job), folder)


def judge(*, release: str, env: str, state: str, reason: str, dry_run: bool, as_json: bool) -> None:
    registry = Registry(outputs.read("platform", env))
    found = registry.find(release)
    if not dry_run:
        found = registry.set_state(found, state, reason)
    if as_json:
        click.echo(json.dumps(described(found) | {"dry_run": dry_run}))
        return
    click.echo(f"release {found.number} {'would be' if dry_run else 'is'} {state}")


def serving(platform: Outputs, releases: Sequence[Release]) -> int | None:
    """The one that the endpoint runs; where there is no endpoint, the last that was recorded."""
    if found := stack.current(platform):
        runs = (found["image"], found["model_data"])
        return next((e.number for e in releases if (e.image, e.model_data) == runs), None)
    line = History(platform).line()
    return line[-1].release if line else None


def described(release: Release) -> dict[str, Any]:
    return {
        "release": release.number,
        "state": release.state,
        "made": release.created,
        "image": release.image,
        "model_data": release.model_data,
        "facts": dict(release.facts),
    }


def shown(value: str) -> str:
    """Shares as per cent."""
    number = as_number(value)
    return value if number is None or not 0 <= number <= 1 or "." not in value else f"{number:.2%}"


def as_number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def differences(first: Release, second: Release) -> Sequence[dict[str, Any]]:
    pair = [{"image": e.image, "model_data": e.model_data, **e.facts} for e in (first, second)]
    rows = []
    for name in dict.fromkeys([*pair[0], *pair[1]]):
        ours, theirs = pair[0].get(name, ""), pair[1].get(name, "")
        if ours == theirs or name == "release":
            continue
        numbers = as_number(ours), as_number(theirs)
        both = numbers[0] is not None and numbers[1] is not None and name != "version"
        difference = f"{numbers[1] - numbers[0]:+.4g}" if both else ""  # type: ignore[operator]
        rows.append({"name": name, "first": ours, "second": theirs, "difference": difference})
    return rows
