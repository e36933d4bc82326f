"""What several kinds of tests share: optional tools, pictures, a trained model, a server.

With KENNEL_STRICT set, as in CI, a missing tool is an error; otherwise its tests skip and say so.
"""

import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from server import cpu

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "scripts/kennel/sample.py"  # draws the pictures
sys.path.insert(0, str(ROOT / "scripts/tools"))
cpu.avoid_broken_amx()
os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # torch's threads, beside two other lanes
os.environ.setdefault("GOGC", "400")  # Terraform, as in terraform/stack.py, which says why


def missing(tool: str, left_out: str) -> None:
    """End the test for want of a tool: an error in CI, elsewhere a line on what was not tested."""
    if os.environ.get("KENNEL_STRICT"):
        pytest.fail(f"{tool} is missing, and KENNEL_STRICT forbids to leave out {left_out}")
    pytest.skip(f"{left_out} not tested: {tool} is missing")


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """What gives a client of moto's account in this process; nothing is the user's."""
    from moto import mock_aws

    from kennel import aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        aws.session.cache_clear()
        yield aws.client
    aws.session.cache_clear()


@pytest.fixture(scope="session")
def terraform() -> str:
    """The path of Terraform, downloaded if need be."""
    import terraform as tool

    try:
        return tool.find()
    except tool.Unavailable as error:
        missing(f"Terraform ({error})", "terraform/ was")
        raise


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by `-m`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "docker" in getattr(item, "fixturenames", ()):
            item.add_marker("docker")


@pytest.fixture(scope="session")
def docker() -> str:
    """The docker command, where an engine with buildx answers it."""
    command = shutil.which("docker") or "docker"
    for question in (["info"], ["buildx", "version"]):
        with suppress(OSError, subprocess.TimeoutExpired):
            run = subprocess.run([command, *question], capture_output=True, timeout=30, check=False)
            if run.returncode == 0:
                continue
        missing("a Docker engine with buildx", "the images were")
    return command


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set: 3 classes, 16 + 4 + 4 pictures each, every kind of file among them."""
    from kennel import sample

    folder = tmp_path_factory.mktemp("pictures") / "set"
    counts = {"train": 16, "valid": 4, "test": 4}
    list(sample.make_set(folder, classes=3, counts=counts, seed=1))
    return folder


@pytest.fixture(scope="session")
def ml_root(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A factory of SageMaker's folder layout, with the small set and given hyperparameters."""

    def make(**settings: str) -> Path:
        root = tmp_path_factory.mktemp("ml")
        (root / "input/config").mkdir(parents=True)
        (root / "input/config/hyperparameters.json").write_text(json.dumps(SMALL | settings))
        (root / "input/data").mkdir()
        (root / "input/data/training").symlink_to(pictures)
        return root

    return make


SMALL = {
    "name": "small",
    "architecture": "shufflenet_v2_x0_5",
    "size": "32",
    "resize": "36",
    "epochs": "2",
    "batch": "12",
    "processes": "2",
    "quantise": "false",  # it costs more than the training, and follows from the weights
}


def run_trainer(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trainer", *arguments],
        env={**os.environ, "KENNEL_ML_ROOT": str(root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def trained_digest() -> str:
    """A digest of all that the trained model follows from."""
    digest = hashlib.sha256(json.dumps(SMALL).encode())
    locks = [ROOT / "requirements/dev.lock", ROOT / "requirements/torch.lock"]
    sources = [*sorted((ROOT / "images/train/trainer").rglob("*.py")), SAMPLE, *locks]
    for path in sources:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@pytest.fixture(scope="session")
def trained(ml_root: Callable[..., Path]) -> Path:
    """The folder of a finished run of two processes; its model is in `model`.

    The run outlives the tests, in the user's cache: whoever asks first makes it.
    """
    root = ml_root(quantise="true")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kennel/tests"
    cache.mkdir(parents=True, exist_ok=True)
    made = cache / f"trained-{trained_digest()}"
    with (cache / "trained.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            for each in cache.glob("trained-*"):
                shutil.rmtree(each)
            run = run_trainer(root, "train")
            assert run.returncode == 0, run.stderr
            (root / "train.log").write_text(run.stdout)
            new = cache / "new"
            shutil.rmtree(new, ignore_errors=True)
            shutil.copytree(root, new, ignore=shutil.ignore_patterns("input"))
            new.rename(made)
        shutil.copytree(made, root, dirs_exist_ok=True)
    return root


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """A root folder with a copy of the trained model, for a test to damage or serve."""
    shutil.copytree(trained / "model", tmp_path / "ml/model")
    return tmp_path / "ml"


Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A factory of real server processes; they are gone after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(root: Path, port: int, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "server", "serve"],
            env={**os.environ, "KENNEL_ML_ROOT": str(root), "SAGEMAKER_BIND_TO_PORT": str(port)}
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def listening(pid: int) -> set[str]:
    """The addresses on which a process and its descendants listen."""
    found: set[str] = set()
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            sockets = process.net_connections(kind="inet")
            found |= {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}
    return found


def wait_for(url: str, process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Until `url` answers; a process that ends before is an error."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        with suppress(httpx.TransportError):
            httpx.get(url, timeout=2, trust_env=False)
            return
        time.sleep(0.02)
    pytest.fail(f"{url} does not answer")


@pytest.fixture
def server(trained: Path, serve: Serve) -> Iterator[httpx.Client]:
    """A client of a running server with the trained model."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    wait_for(f"{base}/ping", serve(trained, port))
    with httpx.Client(base_url=base, timeout=30, trust_env=False) as client:
        yield client
