"""The `kennel` command. Each verb is a file; results go to stdout, progress to stderr."""

import sys

import click

from kennel import data, demo
from kennel.errors import UserError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kennel")
def cli() -> None:
    """A folder of labelled pictures becomes a secured, autoscaled HTTPS classifier on AWS."""


cli.add_command(data.data)
cli.add_command(demo.demo)


def main() -> None:
    try:
        cli.main(standalone_mode=False)
    except UserError as error:
        click.echo(f"kennel: {error}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("kennel: interrupted", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
