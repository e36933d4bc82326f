"""`kennel rollback`: what served before serves again."""

from dataclasses import replace

import click

from kennel import outputs
from kennel.deploy import go, line_of_now
from kennel.deployments import Deployment
from kennel.errors import UserError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@click.option("--dry-run", is_flag=True, help="Say what would be deployed; change nothing.")
@outputs.environment
def rollback(*, env: str, as_json: bool, dry_run: bool) -> None:
    """Deploy the release that served before the present one.

    It is a deployment like any other, tried with the release's own test pictures. Another
    rollback goes one further back. The present one is what the endpoint runs, whatever the records
    say. Exits 3 if the old release fails too; the present one is then
    deployed again.
    """
    platform = outputs.read("platform", env)
    line = line_of_now(platform, wait=not dry_run)
    target = replace(before(line), kind="rollback")
    go(target, line[-1], platform, env, as_json=as_json, dry_run=dry_run)


def before(line: list[Deployment]) -> Deployment:
    if not line or (len(line) == 1 and not line[0].release):
        raise UserError("nothing was deployed with `kennel deploy` yet: there is no way back")
    if len(line) == 1:
        raise UserError(
            f"release {line[0].release} is the first one: deploy another, `kennel models list`"
        )
    return line[-2]
