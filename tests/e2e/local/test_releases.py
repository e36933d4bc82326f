"""The release path on an emulated account: the notebook, a wrong release, a batch.

The notebook brings the account up and makes the first release; the rest goes on from there. A
second release and a rollback are in test_documents.py, with containers.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.conftest import ROOT, free_port
from tests.e2e.local.provider import provider

NOTEBOOK = ROOT / "notebooks/train_and_deploy.ipynb"


@dataclass
class Stay:
    """A folder with an emulated account in it, and the command line there."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    said: str = ""

    def kennel(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "kennel", *arguments],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str) -> Any:
        return json.loads(self.kennel(*arguments, "--json").stdout)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106
        )

    def serving(self) -> list[int]:
        releases = self.json("models", "list")["releases"]
        return [each["release"] for each in releases if each["serving"]]


def code_of(notebook: Path) -> str:
    cells = json.loads(notebook.read_text())["cells"]
    assert not any(each.get("outputs") for each in cells), "outputs do not belong into the tree"
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def run_alone(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What it says; with it end the verbs that it has started."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=900)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        pytest.fail(f"the notebook takes too long:\n{said}")
    assert process.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def stay(terraform: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stay]:
    """What the notebook leaves: an account with one release, which serves."""
    home = tmp_path_factory.mktemp("stay")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    port = str(free_port())
    account = {"KENNEL_LOCAL_PORT": port, "KENNEL_LOCAL_SPEED": "60"}
    tools = {"PATH": path, "KENNEL_TERRAFORM": terraform, "COLUMNS": "200"}
    (home / "notebook.py").write_text(code_of(NOTEBOOK))
    build = home / ".kennel/local/tree/build"
    with provider(terraform, f"http://127.0.0.1:{port}", build) as attached:
        found = Stay(home, kept | account | tools | attached)
        try:
            found.said = run_alone([sys.executable, "notebook.py"], home, found.environment)
            for line in found.kennel("local", "env").stdout.splitlines():
                if line.startswith("export "):
                    name, _, value = line.removeprefix("export ").partition("=")
                    found.environment[name] = shlex.split(value)[0]
            yield found
        finally:
            found.kennel("local", "down")


@pytest.mark.long
def test_the_notebook_ends_with_a_release_that_serves(stay: Stay) -> None:
    assert "test pictures through the API, all answered as after training" in stay.said
    assert stay.serving() == [1]
    assert "release 1 is the first one" in stay.kennel("rollback", code=1).stderr


@pytest.mark.long
def test_a_release_that_answers_wrongly_never_stays(stay: Stay) -> None:
    """Its model is another than it says: Terraform finds nothing wrong with it."""
    first, store = stay.json("models", "show", "1"), stay.client("s3")
    bucket, _, key = first["facts"]["release"].removeprefix("s3://").partition("/")
    content = json.loads(store.get_object(Bucket=bucket, Key=key)["Body"].read())
    content["manifest"]["version"] = "0" * 12
    # In another image: the same two would be the same release.
    image = f"{first['image'].partition('@')[0]}@sha256:{'3d37' * 16}"
    store.put_object(Bucket=bucket, Key=f"wrong/{key}", Body=json.dumps(content).encode())
    answer = stay.client("sagemaker").create_model_package(
        ModelPackageGroupName="kennel-local",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [{"Image": image, "ModelDataUrl": first["model_data"]}],
            "SupportedContentTypes": ["image/jpeg"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        CustomerMetadataProperties=first["facts"] | {"release": f"s3://{bucket}/wrong/{key}"},
    )
    number = answer["ModelPackageArn"].rpartition("/")[2]
    failed = stay.kennel("deploy", number, code=3)
    assert f"release {number} failed: the API serves model version" in failed.stderr
    assert "release 1 serves again" in failed.stderr
    assert stay.serving() == [1]


@pytest.mark.long
def test_every_good_picture_of_a_prefix_is_classified_and_bad_ones_are_named(stay: Stay) -> None:
    store, bucket = stay.client("s3"), "kennel-local-data-123456789012"
    for name, content in {"0.jpg": b"no picture", "1.jpg": b"\xff\xd8\xff\xe0 half"}.items():
        store.put_object(Bucket=bucket, Key=f"notebook/test/bad/{name}", Body=content)
    failed = stay.kennel("batch", "notebook/test", "--json", code=3)
    results = json.loads(failed.stdout)["results"]
    assert len(results) == 42
    assert all(each["picture"].startswith(f"s3://{bucket}/notebook/test/") for each in results)
    unanswered = [each["picture"] for each in results if each["label"] is None]
    assert [each.rpartition("test/")[2] for each in unanswered] == ["bad/0.jpg", "bad/1.jpg"]
    assert f"{bucket}/notebook/test/bad/0.jpg: ClientError: 415" in failed.stderr
    assert f"no answer to 2 of 42, s3://{bucket}/notebook/test/bad/0.jpg first" in failed.stderr
