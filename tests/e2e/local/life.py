"""An account that `kennel local` has made, with what a person has of it, and callers of it."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil

from kennel.local import up
from kennel.local.account import Account
from kennel.local.terraform import Stack
from tests.contract.local.conftest import QUICK
from tests.contract.local.releases import beside, packed


@dataclass
class Life:
    """The account, with what a person has of it."""

    home: Path
    answer: dict[str, Any] = field(default_factory=dict)
    told: str = ""  # by the first `up`, beside the answer

    @property
    def account(self) -> Account:
        return Account(self.home)

    @property
    def stack(self) -> Stack:
        running = self.account.running()
        assert running is not None
        log = self.home / "terraform.log"
        return Stack(self.home / "tree", running["address"], running["region"], log)

    @property
    def outputs(self) -> dict[str, Any]:
        return self.outputs_of("service")

    def outputs_of(self, root: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "outputs.json").read_text())[root]
        return found

    def kennel(self, *arguments: str) -> str:
        return self.run(*arguments).stdout

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kennel", "local", "--home", str(self.home), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def shell(self, script: str, *arguments: str) -> str:
        """What a script says that `kennel local env` has pointed at the account."""
        whole = 'eval "$("$0" -m kennel local --home "$1" env)" && shift && ' + script
        done = subprocess.run(
            ["bash", "-c", whole, sys.executable, str(self.home), *arguments],
            capture_output=True, text=True, check=False,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def client(self, service: str) -> Any:
        running = self.account.running()
        assert running is not None
        return up.client(service, running["address"], running["region"])

    def caller(self) -> Any:
        """A client that repeats nothing, so that it sees every failure."""
        running = self.account.running()
        assert running is not None
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        place = {"endpoint_url": running["address"], "region_name": running["region"]}
        return boto3.client("sagemaker-runtime", **place, **keys, config=QUICK)

    def servers(self) -> set[int]:
        running = self.account.running()
        assert running is not None
        started = psutil.Process(running["pid"]).children(recursive=True)
        return {each.pid for each in started if "server" in each.cmdline()}

    def instances(self) -> int:
        [variant] = self.endpoint()["ProductionVariants"]
        return int(variant["CurrentInstanceCount"])

    def endpoint(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("sagemaker").describe_endpoint(EndpointName=up.PREFIX)
        return found

    def release(self, content: bytes, name: str) -> dict[str, Any]:
        """The values of the service root for another artifact."""
        values = json.loads((self.home / "tree/terraform/service/local.tfvars.json").read_text())
        bucket = values["model_data"].split("/")[2]
        key = f"{name}/model.tar.gz"
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
        return {**values, "model_data": f"s3://{bucket}/{key}", "running_instances": 1}


@dataclass
class Seen:
    names: Counter[str] = field(default_factory=Counter)  # of the models that answered
    failures: list[str] = field(default_factory=list)


@contextmanager
def callers(life: Life, number: int, pause: float = 0.0) -> Iterator[Seen]:
    """InvokeEndpoint from several threads, and the API from one, until the block ends."""
    seen, over = Seen(), threading.Event()
    picture = Path(life.answer["picture"]).read_bytes()

    def invoke() -> None:
        runtime = life.caller()
        while not over.wait(pause):
            try:
                answer = runtime.invoke_endpoint(
                    EndpointName=up.PREFIX, Body=picture, ContentType="image/jpeg"
                )
                seen.names[json.load(answer["Body"])["model"]["name"]] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed request
                seen.failures.append(repr(error))

    def call() -> None:
        while not over.wait(0.4):  # the usage plan allows ten a second
            answer = predict(life, picture)
            if answer.is_error:
                seen.failures.append(f"{answer.status_code} {answer.text}")

    with beside(over, call, *[invoke] * number):
        yield seen


def predict(life: Life, picture: bytes) -> httpx.Response:
    url, key = str(life.outputs["predict_url"]), str(life.outputs["api_key"])
    headers = {"Content-Type": "image/jpeg", "x-api-key": key}
    return httpx.post(url, content=picture, headers=headers, timeout=60, trust_env=False)


def named(model: Path, name: str) -> bytes:
    """The artifact of the same model under another name."""
    manifest = json.loads((model / "manifest.json").read_text())
    return packed(model, **{"manifest.json": json.dumps(manifest | {"name": name}).encode()})


def wait_for(life: Life, instances: int, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while life.instances() != instances:
        assert time.monotonic() < deadline, life.endpoint()
        time.sleep(0.2)
