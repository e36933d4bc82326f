"""The runbook's commands are ones that the tools know: a step must not fail by a typo at night."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from kennel.__main__ import cli
from tests.conftest import ROOT

TEXT = (ROOT / "docs/operations.md").read_text()
MAKE = (ROOT / "Makefile").read_text()


def commands() -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL):
        yield from (line for line in block.splitlines() if line)
    for inline in re.findall(r"`((?:make|aws) [^`]+)`", TEXT):
        yield " ".join(inline.split())


COMMANDS = sorted(set(commands()))


def of(program: str) -> list[list[str]]:
    return [shlex.split(each)[1:] for each in COMMANDS if each.startswith(f"{program} ")]


def test_verbs_in_sentences_are_verbs() -> None:
    for verb in re.findall(r"`kennel (\w+)", TEXT):
        assert cli.get_command(click.Context(cli), verb) is not None, verb


def test_there_are_commands_to_test() -> None:
    assert len(of("kennel")) > 25
    assert len(of("aws")) > 8


@pytest.mark.parametrize("words", of("kennel"), ids=" ".join)
def test_kennel_takes_it(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Parsed as click parses it, and not carried out."""
    command: click.Command = cli
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no verb {words[0]}"
        command, words = found, words[1:]
    file = tmp_path_factory.getbasetemp() / "ranges.yaml"
    file.touch()
    folder = tmp_path_factory.getbasetemp()
    real = {"ranges.yaml": str(file), "pictures": str(folder)}
    command.make_context("kennel", [real.get(word, word) for word in words])


@pytest.mark.parametrize("words", of("make"), ids=" ".join)
def test_make_has_the_target(words: list[str]) -> None:
    targets = [word for word in words if "=" not in word]
    for target in targets:
        assert re.search(rf"^(?:[\w -]+ )?{target}(?: [\w -]+)?:", MAKE, re.MULTILINE), target


@pytest.mark.parametrize("words", of("aws"), ids=" ".join)
def test_aws_has_the_operation_and_its_options(words: list[str]) -> None:
    import botocore.session
    from botocore import xform_name

    service, operation, *rest = words
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(each, "-"): each for each in model.operation_names}
    assert operation in names
    shape = model.operation_model(names[operation]).input_shape
    options = {f"--{xform_name(member, '-')}" for member in shape.members} | {"--query", "--output"}
    used = {word for word in rest if word.startswith("--")}
    assert used <= options, used - options
    required = {f"--{xform_name(member, '-')}" for member in shape.required_members}
    assert required <= used, required - used


def test_terraform_has_what_is_replaced() -> None:
    for module, kind, name in re.findall(r"-replace=module\.(\w+)\.(\w+)\.(\w+)", TEXT):
        files = (ROOT / "terraform/modules" / module).glob("*.tf")
        assert any(f'resource "{kind}" "{name}"' in path.read_text() for path in files)


def test_every_alarm_of_the_stack_is_in_the_table() -> None:
    alarms = (ROOT / "terraform/modules/observability/alarms.tf").read_text()
    names = set(re.findall(r"^    ([a-z0-9-]+) = \{$", alarms, re.MULTILINE)) | {"no-traffic"}
    assert len(names) > 8
    assert names <= set(re.findall(r"`([a-z0-9-]+)`", TEXT))
