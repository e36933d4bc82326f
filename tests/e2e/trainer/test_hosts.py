"""A training job of several hosts: containers on a network, laid out as SageMaker does it.

Each host has its own folders, network interface and name; gloo joins them. The second one gets no
object at all, as ShardedByS3Key can leave it.
"""

import json
import random
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import SMALL
from tests.e2e.images.engine import build

pytestmark = pytest.mark.long

HOSTS = ("algo-1", "algo-2")
PATIENCE = 300  # seconds, for a machine that is busy with other things
DEADLINE = 200  # seconds from SIGTERM to the end; a launcher left alone would wait 300
SETTINGS = {"processes": "1", "epochs": "40", "save_steps": "4"}
INPUTS = {"training": {"TrainingInputMode": "File", "S3DistributionType": "ShardedByS3Key"}}


@dataclass
class Job:
    """The containers of a job; what they write stays in their folders."""

    docker: str
    image: str
    network: str
    folder: Path

    def name(self, host: str) -> str:
        return f"{self.network}-{host}"

    def run(self, *arguments: str) -> str:
        command = [self.docker, *arguments]
        return subprocess.run(
            command,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=2 * PATIENCE,  # a job that hangs is a failure
        ).stdout

    def start(self, *hosts: str) -> None:
        for host in hosts:
            self.remove(host)
            where = [f"--network={self.network}", f"--network-alias={host}", f"--hostname={host}"]
            volume = f"--volume={self.folder / host}:/opt/ml"
            limit = "--env=OMP_NUM_THREADS=1"
            name = f"--name={self.name(host)}"
            self.run("run", "--detach", name, *where, volume, limit, self.image, "train")

    def remove(self, host: str) -> None:
        command = [self.docker, "rm", "--force", self.name(host)]
        subprocess.run(command, capture_output=True, check=False)

    def log(self, host: str) -> str:
        return self.run("logs", self.name(host))

    def until(self, host: str, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in (log := self.log(host)):
            assert time.monotonic() < deadline, log
            running = self.run("inspect", "--format={{.State.Running}}", self.name(host))
            assert running.strip() == "true" or text in self.log(host), log
            time.sleep(0.1)

    def end(self, host: str) -> int:
        """Its exit code."""
        return int(self.run("wait", self.name(host)))

    def ends(self) -> list[int]:
        return [self.end(host) for host in HOSTS]

    def result(self) -> dict[str, str]:
        manifest = json.loads((self.folder / HOSTS[0] / "model/manifest.json").read_text())
        files: dict[str, str] = manifest["files"]
        return files


@pytest.fixture(scope="module")
def image(docker: str) -> str:
    return build(docker, "train")


@pytest.fixture
def job(docker: str, image: str, pictures: Path, tmp_path: Path) -> Iterator[Job]:
    """Two hosts, ready to start; the first one has all shards."""
    network = f"kennel-test-{uuid.uuid4().hex[:8]}"
    lay_out(tmp_path, pictures)
    subprocess.run([docker, "network", "create", "--internal", network], check=True)
    each = Job(docker, image, network, tmp_path)
    yield each
    for host in HOSTS:
        each.remove(host)
    subprocess.run([docker, "network", "rm", network], check=True)


def lay_out(folder: Path, pictures: Path) -> None:
    from kennel.data import data

    packed = folder / "packed"
    arguments = ["pack", str(pictures), str(packed), "--short-side=64", "--pictures=100"]
    assert CliRunner().invoke(data, arguments).exit_code == 0
    for host in HOSTS:
        config = folder / host / "input/config"
        config.mkdir(parents=True)
        (config / "hyperparameters.json").write_text(json.dumps(SMALL | SETTINGS))
        (config / "inputdataconfig.json").write_text(json.dumps(INPUTS))
        resources = {"current_host": host, "hosts": HOSTS, "network_interface_name": "eth0"}
        (config / "resourceconfig.json").write_text(json.dumps(resources))
        (folder / host / "input/data/training").mkdir(parents=True)
    shutil.copytree(packed, folder / HOSTS[0] / "input/data/training", dirs_exist_ok=True)


def test_a_job_that_loses_each_host_and_is_stopped_ends_as_one_that_ran_through(
    job: Job, tmp_path: Path
) -> None:
    job.start(*HOSTS)
    assert job.ends() == [0, 0], job.log(HOSTS[0])
    assert not (tmp_path / HOSTS[1] / "model").exists()  # the first host writes the result
    undisturbed = job.result()
    for name in ("model", "checkpoints", "output"):
        shutil.rmtree(tmp_path / HOSTS[0] / name)

    job.start(*HOSTS)
    job.until(HOSTS[0], "event=checkpoint step=8 ")
    pause_at_random()
    job.run("kill", "--signal=KILL", job.name(HOSTS[1]))  # the whole host at once
    job.start(HOSTS[1])
    job.until(HOSTS[0], "event=resumed step=")

    pause_at_random()
    job.run("kill", "--signal=KILL", job.name(HOSTS[0]))  # where they meet: the other cannot wait
    assert job.end(HOSTS[1]) == 1, job.log(HOSTS[1])
    reason = (tmp_path / HOSTS[1] / "output/failure").read_text()
    assert f"host {HOSTS[0]}, where all hosts meet at port 29400, is gone" in reason
    job.start(*HOSTS)
    job.until(HOSTS[0], "event=resumed step=")

    began = time.monotonic()
    job.run("kill", "--signal=TERM", job.name(HOSTS[1]))  # one is told; all save and end
    assert job.ends() == [143, 143], job.log(HOSTS[0])
    assert time.monotonic() - began < DEADLINE
    assert not any((tmp_path / host / "output/failure").exists() for host in HOSTS)

    job.start(*HOSTS)
    assert job.ends() == [0, 0], job.log(HOSTS[0])
    assert "event=resumed step=" in job.log(HOSTS[0])
    assert job.result() == undisturbed


def pause_at_random() -> None:
    """So that nobody has chosen the step."""
    seconds = random.uniform(0, 0.5)  # noqa: S311
    print(f"killed after {seconds:.3f} s")
    time.sleep(seconds)
