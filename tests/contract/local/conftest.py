"""A running control plane for tests: a process of its own, on a free port, with clients."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.contract.local.lambdas import CODE, Make, role_named, zipped

REGION = "eu-west-1"
ACCOUNT = "123456789012"
QUICK = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, read_timeout=90)


@dataclass
class Aws:
    """The emulated account as clients see it."""

    address: str
    state: Path
    process: subprocess.Popen[bytes]

    @property
    def api(self) -> str:
        """Where deployed APIs are served."""
        return str(json.loads((self.state / "control.json").read_text())["api"])

    def client(self, service: str, config: Config = QUICK, **more: Any) -> Any:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"} | more
        return boto3.client(
            service, endpoint_url=self.address, region_name=REGION, config=config, **keys
        )

    @property
    def log(self) -> str:
        return (self.state / "control.log").read_text()


Start = Callable[..., Aws]


@contextmanager
def control(state: Path, *arguments: str, seconds: float = 300, patch: str = "") -> Iterator[Aws]:
    """A control process on `state`, ended when the block ends; `patch` runs in it first."""
    state.mkdir(parents=True, exist_ok=True)
    (state / "control.json").unlink(missing_ok=True)  # of one that was killed
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    patched = ["-c", f"{patch}\nfrom kennel.local.aws.control import main\nmain()"]
    program = patched if patch else ["-m", "kennel.local.aws.control"]
    with (state / "control.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *program, "--state", str(state), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    try:
        yield Aws(wait_until_ready(state, process, seconds), state, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def wait_until_ready(state: Path, process: subprocess.Popen[bytes], seconds: float) -> str:
    ready, deadline = state / "control.json", time.monotonic() + seconds
    while not ready.exists():
        log = (state / "control.log").read_text(errors="replace")
        assert process.poll() is None, log
        assert time.monotonic() < deadline, log
        time.sleep(0.05)
    return str(json.loads(ready.read_text())["address"])


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """One emulated account for a module, with AWS's own waits 60 times as fast."""
    with control(tmp_path_factory.mktemp("aws"), "--speed", "60") as started:
        yield started


@pytest.fixture(scope="module")
def lambda_(aws: Aws) -> Any:
    return aws.client("lambda")


@pytest.fixture(scope="module")
def worker(aws: Aws) -> str:
    return role_named(aws, "worker")


@pytest.fixture
def make(lambda_: Any, worker: str) -> Iterator[Make]:
    """Creates functions, which are gone after the test."""
    names: list[str] = []

    def make(handler: str, code: str = CODE, **settings: Any) -> str:
        name = f"function-{time.time_ns()}"
        lambda_.create_function(
            FunctionName=name,
            Role=worker,
            Runtime="python3.12",
            Handler=f"code.{handler}",
            Code={"ZipFile": zipped(code=code)},
            **{"MemorySize": 256, "Timeout": 5, **settings},
        )
        names.append(name)
        return name

    yield make
    for name in names:
        lambda_.delete_function(FunctionName=name)
