"""What tflint's own rules would say of terraform/: the package indexes offer no tflint.

Its plugin for AWS knows lists of names and types; ours are checked by validations and by the
provider's plan.
"""

import re
from pathlib import Path

import pytest

from tests.terraform.conftest import ROOTS, TERRAFORM
from tests.terraform.tables import MODULES, declared

FOLDERS = [*MODULES, *(TERRAFORM / root for root in ROOTS)]
HEAD = re.compile(r'^(resource|data|module|variable|output) (?:"\w+" )?"([^"]+)"', re.MULTILINE)
STRING = re.compile(r'"(?:\\.|[^"\\])*"')
each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def code(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.glob("*.tf")))


def local_names(text: str) -> set[str]:
    """What `locals` blocks define: names at their first level."""
    blocks = re.findall(r"^locals \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return {name for block in blocks for name in re.findall(r"^  (\w+) +=", block, re.MULTILINE)}


@each_folder
def test_nothing_is_declared_in_vain(folder: Path) -> None:
    text = code(folder)
    used = [f"var.{name}" for name in declared(folder)["variable"]]
    used += [f"local.{name}" for name in local_names(text)]
    used += [
        f"data.{kind}.{name}" for kind, name in re.findall(r'^data "(\w+)" "(\w+)"', text, re.M)
    ]
    unused = [name for name in used if not re.search(rf"\b{re.escape(name)}\b", text)]
    assert used
    assert not unused


@each_folder
def test_names_are_words_joined_by_underscores(folder: Path) -> None:
    names = {name for _, name in HEAD.findall(code(folder))} | local_names(code(folder))
    assert not [name for name in names if not re.fullmatch(r"_?[a-z][a-z0-9]*(_[a-z0-9]+)*", name)]


@each_folder
def test_files_are_where_a_reader_looks(folder: Path) -> None:
    names = {path.name for path in folder.glob("*.tf")}
    assert {"main.tf", "outputs.tf", "variables.tf", "versions.tf"} <= names
    for path in folder.glob("*.tf"):
        kinds = {kind for kind, _ in HEAD.findall(path.read_text())}
        assert path.stem.startswith("variables") == ("variable" in kinds), path
        assert (path.stem == "outputs") == ("output" in kinds), path


@each_folder
def test_versions_are_bounded(folder: Path) -> None:
    text = folder.joinpath("versions.tf").read_text()
    assert re.search(r'required_version = ">= 1\.11"', text)
    assert re.search(r'source  = "hashicorp/aws"\n +version = ">= 5\.100, < 7"', text)
    assert ("provider " in text) == (folder.name in ROOTS), "only roots configure a provider"


@each_folder
def test_variables_and_outputs_are_in_alphabetical_order(folder: Path) -> None:
    for path in folder.glob("*.tf"):
        for kind in ("variable", "output"):
            names = [name for found, name in HEAD.findall(path.read_text()) if found == kind]
            assert names == sorted(names), path


@each_folder
def test_no_old_ways_of_writing(folder: Path) -> None:
    for line in code(folder).splitlines():
        assert not re.search(r'= "\$\{[^{}"]+\}"$', line), f"a lone interpolation: {line}"
        bare = STRING.sub("", line).split("#")[0]
        assert not {"//", "/*"} & set(bare.split()), f"a comment begins with #: {line}"
