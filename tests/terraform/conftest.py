"""What the tests of terraform/ share: one provider process, the plans of all roots, checkov."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, missing

TERRAFORM = ROOT / "terraform"
ROOTS = ("bootstrap", "platform", "service")
ENVIRONMENTS = ("dev", "prod")

REATTACH = "TF_REATTACH_PROVIDERS"
PROVIDER = "KENNEL_TEST_PROVIDER"  # where it lies, for those who start one of their own

# What the tests have looked at, for the last lines of a run.
COUNTS: Counter[str] = Counter()

Environment = dict[str, str]
Plan = dict[str, Any]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if COUNTS:
        terminalreporter.section("terraform/")
        for what, count in sorted(COUNTS.items()):
            terminalreporter.write_line(f"{count:>6} {what}")


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
    terraform: str, offline: Environment, sts: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """One provider process for all runs, in the provider's own debug mode.

    Left alone, Terraform installs the provider for each folder (700 MB where it cannot link it)
    and starts it three times for each `run` block: that is most of the time the tests would take.
    """
    data = tmp_path_factory.mktemp("provider")
    prepare(terraform, TERRAFORM / "platform", offline, data)
    # Not as `endpoints` in its block, which it validates for seconds at each command.
    with attach(data, offline | {"AWS_ENDPOINT_URL_STS": sts}) as env:
        yield offline | {name: env[name] for name in (REATTACH, PROVIDER)}


@contextmanager
def attach(data: Path, env: Environment, folder: Path | None = None) -> Iterator[Environment]:
    """A provider process with this environment; what is yielded makes a Terraform use it.

    It stands in `folder`, which names of files in the configuration may be relative to.
    """
    [binary] = data.glob("providers/*/*/aws/*/*/terraform-provider-aws*")
    with subprocess.Popen(
        [binary, "-debug"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=env,
        cwd=folder,
    ) as provider:
        try:
            yield env | {REATTACH: address_of(provider), PROVIDER: str(data)}
        finally:
            provider.terminate()


def address_of(provider: subprocess.Popen[str]) -> str:
    """What the provider says it wants TF_REATTACH_PROVIDERS to be."""
    assert provider.stdout is not None
    for line in provider.stdout:
        if found := re.search(r"TF_REATTACH_PROVIDERS='(.+)'", line):
            return found[1]
    raise AssertionError("the provider ended before it said where to attach")


IDENTITY = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:root</Arn>
<UserId>123456789012</UserId><Account>123456789012</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""


class Sts(BaseHTTPRequestHandler):
    """Says who is asking: all that a plan of what does not exist yet asks AWS."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.end_headers()
        self.wfile.write(IDENTITY.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def sts() -> Iterator[str]:
    """Where the real provider asks who it is; it has nobody else to ask."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Sts) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


# What makes a root keep its state here.
OVERRIDE = """
terraform {
  backend "local" {}
}

provider "aws" {
  access_key = "testing"
  secret_key = "testing"
}
"""


Roots = dict[str, tuple[Path, Environment]]


@pytest.fixture(scope="session")
def roots(terraform: str, attached: Environment, tmp_path_factory: pytest.TempPathFactory) -> Roots:
    """Each root in a copy of the tree, ready to be planned by the real provider."""
    tree = tmp_path_factory.mktemp("roots")
    shutil.copytree(TERRAFORM, tree / "terraform")
    shutil.copytree(ROOT / "functions", tree / "functions")
    (tree / "build").mkdir()
    (tree / "build/invoke.zip").write_bytes(b"a stand-in")
    made = {}
    for root in ROOTS:
        folder = tree / "terraform" / root
        (folder / "offline_override.tf").write_text(OVERRIDE)
        env = attached | {"TF_DATA_DIR": str(tree / f".data-{root}")}
        call(terraform, "init", "-lockfile=readonly", folder=folder, env=env)
        made[root] = (folder, env)
    return made


@pytest.fixture(scope="session")
def plan_files(
    terraform: str, roots: Roots, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Each root's plan with each file of values, as JSON."""
    made = {}
    tree = tmp_path_factory.mktemp("plans")
    for root, (folder, env) in roots.items():
        for name in ENVIRONMENTS:
            saved = f"-out={name}.tfplan"
            values = f"-var-file={name}.tfvars"
            call(terraform, "plan", values, saved, folder=folder, env=env)
            shown = call(terraform, "show", "-json", f"{name}.tfplan", folder=folder, env=env)
            # Short: checkov takes 40 letters and slashes in a row for a secret key (CKV_AWS_45).
            made[f"{root}-{name}"] = tree / f"{root}-{name}.json"
            made[f"{root}-{name}"].write_text(shown)
    return made


@pytest.fixture(scope="session")
def plans(plan_files: dict[str, Path]) -> dict[str, Plan]:
    return {name: json.loads(path.read_text()) for name, path in plan_files.items()}


@pytest.fixture(scope="session")
def checkov() -> str:
    """The path of checkov, which has an environment of its own: its pins clash with ours."""
    for candidate in (os.environ.get("KENNEL_CHECKOV"), ROOT / ".tools/checkov/bin/checkov"):
        if candidate and Path(candidate).exists():
            return str(candidate)
    found = shutil.which("checkov")
    if found is None:
        missing("checkov", "terraform/, images/ and .github/ were scanned; that was")
        raise AssertionError
    return found
