"""`kennel local up --runner docker`: from nothing to an answer, in the images of `make build`.

Training and serving stand behind SageMaker's walls: no network, a model that cannot be written, the
memory and the processors of the instance type.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kennel import git, images
from kennel.local.aws.running.instances import limits
from tests.conftest import ROOT
from tests.e2e.local.life import Life

pytestmark = pytest.mark.long
REACH = "import socket; socket.create_connection(('192.0.2.1', 443), 1)"
WRITE = "open('/opt/ml/model/new', 'w')"


@dataclass
class Engine:
    """The docker command."""

    path: str

    def __call__(self, *arguments: str) -> str:
        return self.run(*arguments, check=True).stdout.strip()

    def run(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        command = [self.path, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=check)

    def has(self, image: str) -> bool:
        return self.run("image", "inspect", image).returncode == 0


@pytest.fixture(scope="module")
def engine(docker: str) -> Iterator[Engine]:
    """With the images of this tree; those that were not there before go again."""
    engine = Engine(docker)
    parts = {name: images.local(name, git.state()) for name in ("train", "serve")}
    made = [image for image in parts.values() if not engine.has(image)]
    command = [sys.executable, "-m", "kennel", "images", "build", *parts]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    yield engine
    for image in made:
        engine.run("rmi", image)


@pytest.fixture(scope="module")
def life(
    engine: Engine,  # noqa: ARG001 - its images
    terraform: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Life]:
    os.environ["KENNEL_TERRAFORM"] = terraform
    life = Life(tmp_path_factory.mktemp("docker") / "local")
    options = ("--runner", "docker", "--port", "0", "--speed", "60", "--classes", "2")
    try:
        life.answer = json.loads(life.kennel("up", *options))
        yield life
    finally:
        life.kennel("down")


@pytest.fixture(scope="module")
def server(engine: Engine, life: Life) -> dict[str, Any]:
    """What Docker says of the endpoint's only container."""
    [name] = [
        name
        for name in engine("ps", "--format", "{{.Names}}", "--filter", "label=kennel.local").split()
        if "-kennel-local-live-" in name and not name.endswith("-door")
        and str(life.account.state) in engine("inspect", name)
    ]  # fmt: skip
    found: dict[str, Any] = json.loads(engine("inspect", name))[0]
    return found


def test_what_was_trained_in_a_container_answers_from_one(life: Life) -> None:
    assert life.answer["model"]["name"] == "local"
    assert life.answer["predictions"]
    sagemaker = life.client("sagemaker")
    [job] = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    found = sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
    assert found["TrainingJobStatus"] == "Completed"
    assert found["EnableNetworkIsolation"]
    image = found["AlgorithmSpecification"]["TrainingImage"]
    assert image.partition("@")[2].startswith("sha256:")


def test_the_server_has_the_walls_of_its_instance(
    engine: Engine, life: Life, server: dict[str, Any]
) -> None:
    config = life.endpoint()["EndpointConfigName"]
    found = life.client("sagemaker").describe_endpoint_config(EndpointConfigName=config)
    most = limits(found["ProductionVariants"][0]["InstanceType"])
    host = server["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["Memory"] == host["MemorySwap"] == most.memory
    assert host["NanoCpus"] == min(most.cpus, os.cpu_count() or 1) * 10**9
    [model] = [each for each in server["Mounts"] if each["Destination"] == "/opt/ml/model"]
    assert not model["RW"]
    for code, error in ((REACH, "Network is unreachable"), (WRITE, "Read-only file system")):
        done = engine.run("exec", server["Name"].lstrip("/"), "python", "-c", code)
        assert done.returncode == 1
        assert error in done.stderr


def test_down_leaves_no_container(engine: Engine, life: Life, server: dict[str, Any]) -> None:
    label = server["Config"]["Labels"]["kennel.local"]
    life.kennel("down")
    assert engine("ps", "--all", "--quiet", "--filter", f"label=kennel.local={label}") == ""
    assert engine("network", "ls", "--quiet", "--filter", f"label=kennel.local={label}") == ""
    assert not Path(life.home).exists()
