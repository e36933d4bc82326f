"""Every Terraform module and root is formatted, valid, and holds what its own tests claim.

    pytest tests/terraform              # all of them: no account, no credentials
    pytest tests/terraform -k endpoint  # one of them

The claims themselves stand in `terraform/**/tests/*.tftest.hcl`, whose headers say how to run
them without pytest.
"""

import re
import shutil
from pathlib import Path

import pytest

from tests.terraform.conftest import (
    COUNTS,
    ENVIRONMENTS,
    ROOTS,
    TERRAFORM,
    Environment,
    call,
    prepare,
)
from tests.terraform.tables import MODULES, declared, described, tables

EXAMPLE = re.compile(r"```hcl\n(.*?)```", re.DOTALL)


def named(folder: Path) -> str:
    return folder.name


def succeeded(said: str) -> bool:
    """As all do that were run, of which there must be one."""
    found = re.search(r"Success! ([1-9]\d*) passed, 0 failed", said)
    COUNTS["runs of terraform test"] += int(found[1]) if found else 0
    return bool(found)


def test_everything_is_formatted(terraform: str, offline: Environment) -> None:
    call(terraform, "fmt", "-check", "-diff", "-recursive", folder=TERRAFORM, env=offline)


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_module_holds_its_claims(
    terraform: str, attached: Environment, module: Path, tmp_path: Path
) -> None:
    env = prepare(terraform, module, attached, tmp_path)
    said = call(terraform, "test", folder=module, env=env)
    assert succeeded(said), said
    COUNTS["modules"] += 1


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("root", ROOTS)
def test_root_holds_its_claims(
    terraform: str, attached: Environment, root: str, name: str, tmp_path: Path
) -> None:
    env = prepare(terraform, TERRAFORM / root, attached, tmp_path)
    said = call(terraform, "test", f"-var-file={name}.tfvars", folder=TERRAFORM / root, env=env)
    assert succeeded(said), said


def test_roots_lock_one_provider_for_every_platform() -> None:
    locks = {TERRAFORM.joinpath(root, ".terraform.lock.hcl").read_text() for root in ROOTS}
    assert len(locks) == 1
    assert locks.pop().count('"zh:') > 10, "made from a mirror: other platforms could not `init`"


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_readme_shows_the_interface(module: Path) -> None:
    readme = module.joinpath("README.md").read_text()
    assert readme.endswith(tables(module)), "run python -m tests.terraform.tables"


EXAMPLES_TEST = """
mock_provider "aws" {{
  source = "{terraform}/testing/aws"
}}

run "examples" {{
  command = plan
}}
"""


def test_readme_examples_plan(terraform: str, attached: Environment, tmp_path: Path) -> None:
    """All in one root: to read the provider's schema takes longer than to plan a module."""
    folder = tmp_path / "examples"
    folder.mkdir()
    for module in MODULES:
        [example] = EXAMPLE.findall(module.joinpath("README.md").read_text())
        built = str(module / "main.tf")  # the mock provider reads no zip: any file will do
        code = example.replace("../../../build/invoke.zip", built)
        code = code.replace("../../../", f"{TERRAFORM.parent}/").replace("../", f"{TERRAFORM}/")
        folder.joinpath(f"{module.name}.tf").write_text(code)
    shutil.copy(TERRAFORM / "modules/storage/versions.tf", folder)
    test = EXAMPLES_TEST.format(terraform=TERRAFORM)
    folder.joinpath("examples.tftest.hcl").write_text(test)
    env = attached | {"TF_DATA_DIR": str(tmp_path / "data")}
    call(terraform, "init", "-backend=false", folder=folder, env=env)
    assert succeeded(call(terraform, "test", folder=folder, env=env))


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_interface_is_small_typed_and_described(module: Path) -> None:
    blocks = declared(module)
    assert len(blocks["variable"]) <= 20
    for name, text in (blocks["variable"] | blocks["output"]).items():
        assert described(text).endswith("."), f"{name} is not described by a sentence"
    for name, text in blocks["variable"].items():
        assert re.search(r"^  type +=", text, re.MULTILINE), f"{name} has no type"
        assert not re.search(r"\bany\b", text.split("description")[0]), f"{name} takes anything"


@pytest.mark.parametrize("module", [*MODULES, *(TERRAFORM / r for r in ROOTS)], ids=named)
def test_each_validation_is_seen_to_refuse(module: Path) -> None:
    """As many runs expect a variable to fail as it has validations: none is a dead letter."""
    tests = "".join(path.read_text() for path in module.glob("tests/*.tftest.hcl"))
    refused = re.findall(r"expect_failures = \[(.*?)\]", tests, re.DOTALL)
    for name, text in declared(module)["variable"].items():
        wanted = text.count("\n  validation {")
        seen = sum(bool(re.search(rf"var\.{name}\b", names)) for names in refused)
        assert seen >= wanted, f"{name}: {wanted} validations, {seen} runs that expect a refusal"


@pytest.mark.parametrize("path", sorted(TERRAFORM.rglob("*.tf")), ids=lambda path: path.stem)
def test_code_can_be_read(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 150
    assert not [line for line in lines if len(line) > 105 and "https:" not in line]


def test_tests_can_be_read() -> None:
    """Only one address or pattern, which cannot be broken, may make a line long."""
    whole = re.compile(r'\s*(\w+ += )?"\S+( [^" ]*)*",?')
    for path in (each for each in TERRAFORM.rglob("*.hcl") if ".terraform/" not in str(each)):
        lines = path.read_text().splitlines()
        assert not [line for line in lines if len(line) > 105 and not whole.fullmatch(line)], path


def test_roles_hold_only_the_policies_written_here() -> None:
    code = {path: path.read_text() for path in TERRAFORM.rglob("*.tf")}
    managed = r"managed_policy_arns|aws_iam_\w*policy_attachment|arn:aws:iam::aws:policy"
    assert not [path for path, text in code.items() if re.search(managed, text)]
