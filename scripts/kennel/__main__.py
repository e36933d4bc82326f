"""The `kennel` command. Each verb is a file; results go to stdout, progress to stderr."""

import gc
import sys
from importlib import import_module

import click

from kennel.errors import UserError
from kennel.exits import Exit

VERBS = (
    "data",
    "demo",
    "images",
    "train",
    "jobs",
    "tune",
    "models",
    "deploy",
    "rollback",
    "batch",
    "predict",
    "local",
    "doctor",
)  # each a module of its own, with the command under its name
MODULES = {"local": "kennel.local.command"}  # but this one


class Verbs(click.Group):
    """Imports a verb when it is asked for: none has to wait for the libraries of the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(
            import_module(MODULES.get(cmd_name, f"kennel.{cmd_name}")), cmd_name
        )
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kennel")
def cli() -> None:
    """A folder of labelled pictures becomes a secured, autoscaled HTTPS classifier on AWS."""


def main() -> None:
    gc.set_threshold(100_000, 50, 100)  # collections took a quarter of a command's time
    try:
        cli.main(standalone_mode=False)
    except UserError as error:
        stop(error)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("kennel: interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        stop(explained)


def stop(error: UserError) -> None:
    click.echo(f"kennel: {error}", err=True)
    sys.exit(error.exit_code)


def explain(error: Exception) -> UserError | None:
    """An error of AWS in words; only where its client is loaded can it be one."""
    if "botocore" not in sys.modules:
        return None
    explained: UserError | None = import_module("kennel.aws").explain(error)
    return explained


if __name__ == "__main__":
    main()
