"""The serving image, run as SageMaker runs it: its folders, its command, no network."""

import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.contract.server import manners
from tests.e2e.images.engine import ask, exit_code, size_of


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
