"""`kennel rollback`: what served before serves again."""

from dataclasses import replace

import click

from kennel import outputs
from kennel.deploy import console, go, line_of_now, name_of
from kennel.deployments import Deployment, History, line_of, unfinished
from kennel.errors import UserError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@click.option("--dry-run", is_flag=True, help="Say what would be deployed; change nothing.")
@outputs.environment
def rollback(*, env: str, as_json: bool, dry_run: bool) -> None:
    """Deploy the release that served before the present one.

    It is a deployment like any other, tried with the release's own test pictures. Another
    rollback goes one further back; one that was killed goes on when it is repeated. The present one
    is what the endpoint runs, whatever the records say. Exits 3 if the old release fails too; the
    present one is then deployed again.
    """
    platform = outputs.read("platform", env)
    line = line_of_now(platform, wait=not dry_run)
    target, present = way(line, History(platform).all())
    go(target, present, platform, env, as_json=as_json, dry_run=dry_run)


def way(line: list[Deployment], records: list[Deployment]) -> tuple[Deployment, Deployment]:
    """Where to go, and what served before; one that was begun and killed goes where it went."""
    begun = unfinished(records, line[-1]) if line else None
    if begun is None:
        return replace(before(line), kind="rollback"), line[-1]
    console.print(f"going on with the rollback to {name_of(begun)} that was begun at {begun.at}")
    return replace(begun, outcome="serving"), line_of(records)[-1]


def before(line: list[Deployment]) -> Deployment:
    if not line or (len(line) == 1 and not line[0].release):
        raise UserError("nothing was deployed with `kennel deploy` yet: there is no way back")
    if len(line) == 1:
        raise UserError(
            f"release {line[0].release} is the first one: deploy another, `kennel models list`"
        )
    return line[-2]
