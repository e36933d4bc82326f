"""The images, built and run as SageMaker runs them: its folders, its commands, no network."""

import json
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT, SMALL
from tests.contract.server import manners

pytestmark = pytest.mark.slow


def build(docker: str, name: str) -> str:
    """Build an image as one plain manifest: SageMaker refuses OCI indexes and provenance."""
    tag = f"kennel-{name}:test"
    command = [docker, "buildx", "build", "--provenance=false", "--output=type=docker"]
    command += ["--file", f"images/{name}/Dockerfile", "--tag", tag, "."]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return tag


@pytest.fixture(scope="module")
def train_image(docker: str) -> str:
    return build(docker, "train")


@pytest.fixture(scope="module")
def serve_image(docker: str) -> str:
    return build(docker, "serve")


@pytest.fixture
def container(docker: str) -> Iterator[str]:
    """The name of a container that is gone after the test."""
    name = f"kennel-test-{uuid.uuid4().hex[:8]}"
    yield name
    subprocess.run([docker, "rm", "--force", name], capture_output=True, check=False)


def test_training_and_serving_in_containers_without_network(
    docker: str,
    train_image: str,
    serve_image: str,
    container: str,
    pictures: Path,
    tmp_path: Path,
) -> None:
    """`docker run IMAGE train`, then `docker run IMAGE serve` on what came out of it."""
    ml = tmp_path / "ml"
    (ml / "input/config").mkdir(parents=True)
    (ml / "input/config/hyperparameters.json").write_text(
        json.dumps(SMALL | {"epochs": "1", "quantise": "true"})
    )
    shutil.copytree(pictures, ml / "input/data/training")
    run = subprocess.run(
        [
            docker,
            "run",
            "--rm",
            "--network=none",
            "--volume",
            f"{ml}:/opt/ml",
            train_image,
            "train",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "event=artifact" in run.stdout

    command = [docker, "run", "--detach", "--network=none", "--read-only", "--name", container]
    command += ["--volume", f"{ml / 'model'}:/opt/ml/model:ro", serve_image, "serve"]
    subprocess.run(command, check=True, capture_output=True)
    assert ask(docker, container, "/ping") == (200, "")
    picture = min(pictures.glob("test/*/*"))
    status, answer = ask(docker, container, "/invocations", picture)
    assert status == 200
    assert json.loads(answer)["model"]["name"] == "small"

    began = time.monotonic()
    subprocess.run([docker, "stop", "--time=30", container], check=True, capture_output=True)
    assert time.monotonic() - began < 15, "SIGTERM did not reach the server"
    assert exit_code(docker, container) == 0


def train(docker: str, image: str, ml: Path) -> subprocess.CompletedProcess[str]:
    command = [docker, "run", "--rm", "--network=none", "--volume", f"{ml}:/opt/ml", image]
    return subprocess.run([*command, "train"], capture_output=True, text=True, check=False)


ASK = """
import sys, time, urllib.error, urllib.request
path, deadline = sys.argv[1], time.monotonic() + 20
body = sys.stdin.buffer.read() or None
while True:
    try:
        kind = {"Content-Type": "application/json" if body and body[:1] == b"[" else "image/jpeg"}
        request = urllib.request.Request(f"http://127.0.0.1:8080{path}", body, kind)
        answer = urllib.request.urlopen(request, timeout=10)
        break
    except urllib.error.HTTPError as error:
        answer = error
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.1)
print(answer.status)
print(answer.read().decode())
"""


def ask(docker: str, container: str, path: str, picture: Path | None = None) -> tuple[int, str]:
    """A request from inside the container, which no network reaches."""
    run = subprocess.run(
        [docker, "exec", "--interactive", container, "python", "-c", ASK, path],
        input=picture.read_bytes() if picture else b"",
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    status, _, body = run.stdout.decode().partition("\n")
    return int(status), body.strip()


def exit_code(docker: str, container: str) -> int:
    command = [docker, "inspect", "--format", "{{.State.ExitCode}}", container]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_the_training_image_holds_no_build_tools(docker: str, train_image: str) -> None:
    tools = ["pip", "pip3", "uv", "ninja", "gcc", "cc", "make"]
    code = (
        "import importlib.util as u, shutil\n"
        f"print([tool for tool in {tools} if shutil.which(tool)], u.find_spec('triton'))"
    )
    command = [docker, "run", "--rm", "--network=none", "--entrypoint=python", train_image]
    run = subprocess.run([*command, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] None"


def test_no_process_of_a_training_compiles_what_it_imports(docker: str, train_image: str) -> None:
    """It would take each of them 9 s: the image holds the bytecode."""
    command = [docker, "run", "--rm", "--network=none", "--entrypoint=python", train_image]
    code = "import nncf, trainer.__main__, trainer.worker"
    run = subprocess.run([*command, "-v", "-c", code], capture_output=True, text=True, check=True)
    read = re.findall(r"^# code object from '(.*)'$", run.stderr, re.M)
    assert len(read) > 1000
    assert [name for name in read if not name.endswith(".pyc")] == []


def test_a_job_without_data_fails_with_its_reason(
    docker: str, train_image: str, tmp_path: Path
) -> None:
    (tmp_path / "input/data/training").mkdir(parents=True)
    command = [docker, "run", "--rm", "--network=none", "--volume", f"{tmp_path}:/opt/ml"]
    run = subprocess.run(
        [*command, train_image, "train"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "lacks the folder train" in (tmp_path / "output/failure").read_text()


@dataclass
class Container:
    """A serving container; its root file system and its model are read-only."""

    docker: str
    name: str
    address: manners.Address

    def do(self, *arguments: str) -> str:
        command = [self.docker, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def serving(docker: str, image: str, root: Path, picture: bytes) -> Iterator[Container]:
    name = f"kennel-test-{uuid.uuid4().hex[:8]}"
    container = Container(docker, name, manners.Address("", 8080, picture))
    settings = [f"--env={key}={value}" for key, value in manners.ENVIRONMENT.items()]
    volume = f"--volume={root / 'model'}:/opt/ml/model:ro"
    try:
        start = ["run", "--detach", "--read-only", "--name", name, *settings, volume]
        container.do(*start, image, "serve")
        address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        host = container.do("inspect", "--format", address, name)
        container.address = manners.Address(host, 8080, picture)
        assert ask(docker, name, "/ping") == (200, "")
        yield container
    finally:
        subprocess.run([docker, "rm", "--force", name], capture_output=True, check=False)


@pytest.fixture(scope="module")
def serving_container(
    docker: str, serve_image: str, trained: Path, pictures: Path
) -> Iterator[Container]:
    picture = min(pictures.glob("test/*/*.jpg")).read_bytes()
    with serving(docker, serve_image, trained, picture) as container:
        yield container


@pytest.mark.parametrize("check", manners.CHECKS, ids=lambda check: check.__name__)
def test_manners_of_the_container_at_its_socket(
    serving_container: Container, check: Callable[[manners.Address], None]
) -> None:
    check(serving_container.address)


def test_sigterm_fails_nobody_in_flight_in_the_container(
    docker: str, serve_image: str, trained: Path, pictures: Path
) -> None:
    picture = min(pictures.glob("test/*/*.jpg")).read_bytes()
    with serving(docker, serve_image, trained, picture) as container:
        manners.sigterm_fails_nobody_in_flight(
            container.address,
            lambda: container.do("kill", "--signal=TERM", container.name) and None,
        )
        container.do("wait", container.name)
        assert exit_code(docker, container.name) == 0


def test_a_users_handler_is_served_from_an_image_on_top_of_ours(
    docker: str, serve_image: str, container: str, tmp_path: Path
) -> None:
    """As docs/serving.md has it; without network, on a read-only root file system."""
    shutil.copy(ROOT / "tests/contract/server/handlers/linear.py", tmp_path / "inference.py")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights.json").write_text("[[2.0]]")
    (tmp_path / "Dockerfile").write_text(
        f"FROM {serve_image}\nCOPY inference.py /opt/kennel/app/\nENV KENNEL_HANDLER=inference\n"
    )
    tag = "kennel-serve-handler:test"
    build_command = [docker, "buildx", "build", "--output=type=docker", "--tag", tag, str(tmp_path)]
    subprocess.run(build_command, check=True, capture_output=True)
    command = [docker, "run", "--detach", "--network=none", "--read-only", "--name", container]
    command += ["--volume", f"{tmp_path / 'model'}:/opt/ml/model:ro", tag, "serve"]
    subprocess.run(command, check=True, capture_output=True)
    assert ask(docker, container, "/ping") == (200, "")
    (tmp_path / "body").write_text("[[21]]")
    assert ask(docker, container, "/invocations", tmp_path / "body") == (200, "[[42.0]]")


def test_the_serving_image_is_small(docker: str, serve_image: str) -> None:
    """On a new instance pulling the image is most of the wait."""
    base = re.search(r"ARG BASE=(\S+)", (ROOT / "images/serve/Dockerfile").read_text())
    assert base is not None
    added = size_of(docker, serve_image) - size_of(docker, base[1])
    assert added < 330e6


def size_of(docker: str, image: str) -> int:
    command = [docker, "image", "inspect", "--format", "{{.Size}}", image]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_the_serving_image_holds_neither_torch_nor_an_installer_nor_telemetry(
    docker: str, serve_image: str
) -> None:
    names = ["torch", "pip", "openvino_telemetry", "server", "openvino", "boto3", "scipy.sparse"]
    code = (
        "import importlib.util as u, shutil\n"
        f"print([name for name in {names} if u.find_spec(name)], shutil.which('pip'))"
    )
    command = [docker, "run", "--rm", "--network=none", "--entrypoint=python", serve_image]
    run = subprocess.run([*command, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"{names[3:]} None"
