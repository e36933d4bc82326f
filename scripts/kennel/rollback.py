"""`kennel rollback`: what served before serves again."""

from dataclasses import replace

import click

from kennel import outputs
from kennel.deploy import go
from kennel.deployments import Deployment, History
from kennel.errors import UserError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@click.option("--dry-run", is_flag=True, help="Say what would be deployed; change nothing.")
@outputs.environment
def rollback(*, env: str, as_json: bool, dry_run: bool) -> None:
    """Deploy the release that served before the present one.

    It is a deployment like any other, tried with the release's own test pictures. Another
    rollback goes one further back. Exits 3 if the old release fails too; the present one is then
    deployed again.
    """
    platform = outputs.read("platform", env)
    target = before(History(platform).line())
    go(replace(target, kind="rollback"), platform, env, as_json=as_json, dry_run=dry_run)


def before(line: list[Deployment]) -> Deployment:
    if not line:
        raise UserError("nothing was deployed with `kennel deploy` yet: there is no way back")
    if len(line) == 1:
        raise UserError(
            f"release {line[0].release} is the first one: deploy another, `kennel models list`"
        )
    return line[-2]
