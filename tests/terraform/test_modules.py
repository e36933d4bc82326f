"""Every Terraform module and root is formatted, valid, and holds what its own tests claim.

    pytest tests/terraform              # all of them: no account, no credentials
    pytest tests/terraform -k endpoint  # one of them

The claims themselves stand in `terraform/**/tests/*.tftest.hcl`, whose headers say how to run
them without pytest.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

TERRAFORM = Path(__file__).parents[2] / "terraform"
MODULES = sorted(path.parent for path in TERRAFORM.glob("modules/*/versions.tf"))
ROOTS = [TERRAFORM / "platform", TERRAFORM / "service"]

Environment = dict[str, str]


def call(terraform: str, *arguments: str, folder: Path, env: Environment) -> str:
    command = [terraform, *arguments, "-no-color"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)} in {folder}\n{done.stdout}{done.stderr}"
    return done.stdout


def prepare(terraform: str, folder: Path, env: Environment, data: Path) -> Environment:
    """Initialise a folder without leaving anything in it, and return the environment to use."""
    prepared = env | {"TF_DATA_DIR": str(data)}
    call(terraform, "init", "-backend=false", "-lockfile=readonly", folder=folder, env=prepared)
    return prepared


@pytest.fixture(scope="session")
def offline() -> Environment:
    """An environment in which only mocked AWS can work."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}


@pytest.fixture(scope="session")
def attached(
    terraform: str, offline: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """One provider process for all runs, in the provider's own debug mode.

    Left alone, Terraform installs the provider for each folder (700 MB where it cannot link it)
    and starts it three times for each `run` block: that is most of the time the tests would take.
    """
    data = tmp_path_factory.mktemp("provider")
    prepare(terraform, ROOTS[0], offline, data)
    [binary] = data.glob("providers/*/*/aws/*/*/terraform-provider-aws*")
    with subprocess.Popen(
        [binary, "-debug"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=offline,
    ) as provider:
        try:
            yield offline | {"TF_REATTACH_PROVIDERS": address_of(provider)}
        finally:
            provider.terminate()


def address_of(provider: subprocess.Popen[str]) -> str:
    """What the provider says it wants TF_REATTACH_PROVIDERS to be."""
    assert provider.stdout is not None
    for line in provider.stdout:
        if found := re.search(r"TF_REATTACH_PROVIDERS='(.+)'", line):
            return found[1]
    raise AssertionError("the provider ended before it said where to attach")


def test_everything_is_formatted(terraform: str, offline: Environment) -> None:
    call(terraform, "fmt", "-check", "-diff", "-recursive", folder=TERRAFORM, env=offline)


@pytest.mark.parametrize("folder", MODULES + ROOTS, ids=lambda folder: folder.name)
def test_claims_hold(terraform: str, attached: Environment, folder: Path, tmp_path: Path) -> None:
    env = prepare(terraform, folder, attached, tmp_path)
    values = ["-var-file=dev.tfvars"] if folder in ROOTS else []
    said = call(terraform, "test", *values, folder=folder, env=env)
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", said), said


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_root_is_valid(terraform: str, attached: Environment, root: Path, tmp_path: Path) -> None:
    """`terraform test` puts the mock in place of the provider block: only this reads that block."""
    env = prepare(terraform, root, attached, tmp_path)
    call(terraform, "validate", folder=root, env=env)


def test_roots_lock_one_provider_for_every_platform() -> None:
    platform, service = (root.joinpath(".terraform.lock.hcl").read_text() for root in ROOTS)
    assert platform == service
    assert platform.count('"zh:') > 10, "made from a mirror: `init` would fail on other platforms"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_readme_lists_the_interface(module: Path) -> None:
    code = module.joinpath("variables.tf").read_text() + module.joinpath("outputs.tf").read_text()
    declared = re.findall(r'^(?:variable|output) "(\w+)"', code, re.MULTILINE)
    listed = re.findall(r"^\| `(\w+)` \|", module.joinpath("README.md").read_text(), re.MULTILINE)
    assert listed == declared


def test_roles_hold_only_the_policies_written_here() -> None:
    code = {path: path.read_text() for path in TERRAFORM.rglob("*.tf")}
    managed = r"managed_policy_arns|aws_iam_\w*policy_attachment|arn:aws:iam::aws:policy"
    assert not [path for path, text in code.items() if re.search(managed, text)]
