"""The Makefile: the one door, true about itself."""

import os
import re
import subprocess

import click
import pytest

from kennel.__main__ import cli
from tests.conftest import ROOT


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As typed in a shell, though these tests are run by a make themselves."""
    ours = ("ARGS", "ENV", "KENNEL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "RELEASE")
    shell = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=shell, capture_output=True, text=True, check=False
    )


def test_help_is_the_default_and_lists_every_target_with_a_line() -> None:
    declared = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert declared is not None
    listed = dict(re.findall(r"^  make ([a-z-]+) +(\S.*)$", make().stdout, re.MULTILINE))
    assert list(listed) == declared[1].split()
    assert all(listed.values())


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["train", "ARGS=dogs --spot"], "kennel train --env dev dogs --spot"),
        (["tune", "ARGS=README.md dogs"], "kennel tune --env dev README.md dogs"),
        (["deploy"], "kennel deploy --env dev"),
        (["deploy", "RELEASE=2", "ENV=prod"], "kennel deploy 2 --env prod"),
        (["rollback"], "kennel rollback --env dev"),
        (["doctor"], "kennel doctor --env dev"),
        (["push"], "kennel images push --env dev"),
    ],
)
def test_a_target_types_its_verb(arguments: list[str], line: str) -> None:
    """And the verb understands it: no option has gone since."""
    typed = make("-n", *arguments).stdout.splitlines()[-1].split()
    assert typed[0].endswith("/kennel")
    assert ["kennel", *typed[1:]] == line.split()
    command, words = cli, typed[1:]
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None
        command = found
    command.make_context("kennel", words)


def test_the_environment_of_the_shell_is_that_of_make() -> None:
    typed = make("-n", "deploy", "KENNEL_ENV=local").stdout.splitlines()[-1].split()
    assert typed[1:] == ["deploy", "--env", "local"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("PYTHON=no-such-python", "no-such-python is missing, older than 3.11 or without venv"),
        ("TORCH=gpu", "TORCH is 'gpu'; it can be 'default'"),
    ],
)
def test_an_environment_that_cannot_be_made_says_what_to_do(setting: str, message: str) -> None:
    run = make(setting, "VENV=.venv/no-such-environment", "demo")
    assert run.returncode != 0
    assert message in run.stderr
    assert not (ROOT / ".venv/no-such-environment").exists()
