"""The images of this tree, and names for their containers."""

import subprocess
import uuid
from collections.abc import Iterator

import pytest

from tests.e2e.images.engine import build


@pytest.fixture(scope="session")
def train_image(docker: str) -> str:
    return build(docker, "train")


@pytest.fixture(scope="session")
def serve_image(docker: str) -> str:
    return build(docker, "serve")


@pytest.fixture
def container(docker: str) -> Iterator[str]:
    """The name of a container that is gone after the test."""
    name = f"kennel-test-{uuid.uuid4().hex[:8]}"
    yield name
    subprocess.run([docker, "rm", "--force", name], capture_output=True, check=False)
