"""Every verb has what people and scripts count on: a result as JSON, and a trial without effect."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from kennel.__main__ import cli

# What looks only; the account of this machine, and the demo, which a person watches.
LOOKS = {"data check", "jobs attach", "jobs list", "jobs logs", "jobs show", "models compare",
         "models list", "models show", "doctor"}  # fmt: skip
OWN = ("local", "demo")


def verbs(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for each in command.list_commands(context):
        found = command.get_command(context, each)
        assert found is not None
        yield from verbs(found, f"{name} {each}".strip())


VERBS = {name: each for name, each in verbs(cli) if not name.startswith(OWN)}


def options(verb: str) -> set[str]:
    return {option for each in VERBS[verb].params for option in each.opts}


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_result_can_be_had_as_json(verb: str) -> None:
    assert "--json" in options(verb)


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - LOOKS))
def test_what_changes_something_can_be_tried_without(verb: str) -> None:
    assert "--dry-run" in options(verb)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_verb_says_what_it_is_for(verb: str) -> None:
    assert VERBS[verb].help


@pytest.mark.parametrize("line", ["tune --stop x --dry-run", "tune --attach x --dry-run"])
def test_what_is_never_without_effect_refuses_to_be_tried(line: str) -> None:
    tried = CliRunner().invoke(cli, line.split())
    assert tried.exit_code == 2
    assert "leave out --dry-run" in tried.output
