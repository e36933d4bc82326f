"""From nothing to a guarded release, as a person goes: `kennel local`, Terraform, the AWS CLI.

One account for the module, with AWS's waits 60 times as fast; the tests tell its life in order.
"""

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

import httpx
import psutil
import pytest

from kennel.errors import UserError
from kennel.local import up
from kennel.local.account import Account
from kennel.local.terraform import Stack
from tests.conftest import listening
from tests.contract.local.releases import packed

pytestmark = pytest.mark.slow
MOST_SECONDS = 180.0  # from nothing to an answer, on two cores that do nothing else
SCALING = {"max_instances": 2, "concurrent_requests": 1}


@dataclass
class Life:
    """The account, with what a person has of it."""

    home: Path
    seconds: float = 0.0
    answer: dict[str, Any] = field(default_factory=dict)

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
        found: dict[str, Any] = json.loads((self.home / "outputs.json").read_text())["service"]
        return found

    def kennel(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "kennel", "local", "--home", str(self.home), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def client(self, service: str) -> Any:
        running = self.account.running()
        assert running is not None
        return up.client(service, running["address"], running["region"])

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


@pytest.fixture(scope="module")
def life(terraform: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    os.environ["KENNEL_TERRAFORM"] = terraform
    life = Life(tmp_path_factory.mktemp("home") / "local")
    values = life.home.parent / "values.json"
    values.write_text(json.dumps({"scaling": SCALING}))
    began = time.monotonic()
    try:
        options = ("--port", "0", "--speed", "60", "--classes", "2", "--values", str(values))
        life.answer = json.loads(life.kennel("up", *options))
        life.seconds = time.monotonic() - began
        yield life
    finally:
        life.kennel("down")


@pytest.fixture(scope="module")
def model(life: Life) -> Path:
    """The files of the first release."""
    [folder] = (life.account.state / "artifacts").iterdir()
    return folder


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
        runtime = life.client("sagemaker-runtime")
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

    threads = [threading.Thread(target=invoke) for _ in range(number)]
    threads.append(threading.Thread(target=call))
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def predict(life: Life, picture: bytes) -> httpx.Response:
    url, key = str(life.outputs["predict_url"]), str(life.outputs["api_key"])
    headers = {"Content-Type": "image/jpeg", "x-api-key": key}
    return httpx.post(url, content=picture, headers=headers, timeout=60, trust_env=False)


def named(model: Path, name: str) -> bytes:
    """The artifact of the same model under another name."""
    manifest = json.loads((model / "manifest.json").read_text())
    return packed(model, **{"manifest.json": json.dumps(manifest | {"name": name}).encode()})


def test_from_nothing_to_an_answer_on_loopback_alone(life: Life) -> None:
    assert life.answer["predictions"]
    assert life.answer["model"]["name"] == "local"
    running = life.account.running()
    assert running is not None
    assert listening(running["pid"]) == {"127.0.0.1"}
    if os.getloadavg()[1] < 2 * (os.cpu_count() or 1):  # else others took their share
        assert life.seconds < MOST_SECONDS


def test_the_aws_cli_sees_what_terraform_made_and_asks_the_model(
    life: Life, tmp_path: Path
) -> None:
    answer = tmp_path / "answer.json"
    shell = (
        'eval "$("$0" -m kennel local --home "$1" env)" && '
        "aws sagemaker describe-endpoint --endpoint-name kennel-local --output json && "
        "aws sagemaker-runtime invoke-endpoint --endpoint-name kennel-local "
        '--content-type image/jpeg --body "fileb://$2" "$3" >&2'
    )
    told = subprocess.run(
        ["bash", "-c", shell, sys.executable, str(life.home), life.answer["picture"], str(answer)],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert json.loads(told.stdout)["EndpointStatus"] == "InService"
    assert json.loads(answer.read_text())["model"] == life.answer["model"]
    shown = json.loads(life.kennel("status", "--json"))
    assert [each["name"] for each in shown["endpoints"]] == ["kennel-local"]


def test_a_second_apply_changes_nothing(life: Life) -> None:
    assert not life.stack.changes("platform")
    assert not life.stack.changes("service")


def test_a_new_release_rolls_over_under_load_without_a_failed_request(
    life: Life, model: Path
) -> None:
    before = life.endpoint()["EndpointConfigName"]
    with callers(life, 1, pause=0.05) as seen:
        life.stack.apply("service", life.release(named(model, "second"), "second"))
        time.sleep(1)
    assert seen.failures == []
    assert set(seen.names) == {"local", "second"}
    assert life.endpoint()["EndpointConfigName"] != before
    assert not life.stack.changes("service")


@pytest.fixture(scope="module")
def good(life: Life) -> dict[str, Any]:
    """The values of the release that serves, before worse ones are tried."""
    path = life.home / "tree/terraform/service/local.tfvars.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def rolled_back(life: Life, values: dict[str, Any]) -> Seen:
    """Apply a release that must not stay: what callers got meanwhile."""
    before = life.endpoint()["EndpointConfigName"]
    with callers(life, 2, pause=0.03) as seen, pytest.raises(UserError) as raised:
        life.stack.apply("service", values)
    assert "SageMaker rolled this release back" in str(raised.value)
    endpoint = life.endpoint()
    assert (endpoint["EndpointConfigName"], endpoint["EndpointStatus"]) == (before, "InService")
    assert set(seen.names) == {"second"}
    return seen


def test_a_model_that_fails_its_checksum_rolls_back_and_the_apply_says_so(
    life: Life, good: dict[str, Any], model: Path
) -> None:
    damaged = packed(model, **{"model.safetensors": b"damaged"})
    seen = rolled_back(life, good | life.release(damaged, "damaged"))
    assert seen.failures == []
    reason = life.endpoint()["FailureReason"]
    assert "did not pass the ping health check" in reason
    assert "model.safetensors" in reason


def test_so_does_a_container_that_dies(life: Life, good: dict[str, Any]) -> None:
    seen = rolled_back(life, good | {"environment": {"KENNEL_HANDLER": "nowhere"}})
    assert seen.failures == []
    assert "It ended with exit code" in life.endpoint()["FailureReason"]


def test_so_does_a_release_that_answers_5xx_above_the_alarm(
    life: Life, good: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "failing.py").write_text("def input_fn(body, content_type): raise RuntimeError\n")
    handler = {"KENNEL_HANDLER": "failing", "PYTHONPATH": str(tmp_path)}
    seen = rolled_back(life, good | {"environment": handler})
    assert seen.failures
    assert len(seen.failures) < seen.names["second"]  # it had a tenth of the traffic, for a while
    assert "kennel-local-rollback-errors" in life.endpoint()["FailureReason"]
    with callers(life, 2, pause=0.03) as seen:
        time.sleep(2)
    assert seen.failures == []


def test_the_release_before_can_be_applied_again(life: Life, good: dict[str, Any]) -> None:
    life.stack.apply("service", good)
    assert "FailureReason" not in life.endpoint()
    assert not life.stack.changes("service")


def test_load_grows_the_fleet_to_its_limit_and_silence_shrinks_it(life: Life) -> None:
    with callers(life, 4) as seen:
        wait_for(life, 2)
    assert seen.failures == []
    wait_for(life, 1)
    assert not life.stack.changes("service")


def wait_for(life: Life, instances: int, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while life.instances() != instances:
        assert time.monotonic() < deadline, life.endpoint()
        time.sleep(0.2)


def test_a_restart_brings_everything_back(life: Life) -> None:
    picture = Path(life.answer["picture"]).read_bytes()
    life.kennel("down", "--keep")
    assert json.loads(life.kennel("status", "--json"))["address"] is None
    life.kennel("up", "--bare")
    deadline = time.monotonic() + 90
    while life.endpoint()["EndpointStatus"] != "InService":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    answer = predict(life, picture)
    assert answer.json()["model"]["name"] == "second", answer.text
    assert not life.stack.changes("service")


def test_down_leaves_no_process_and_no_file(life: Life) -> None:
    running = life.account.running()
    assert running is not None
    descendants = psutil.Process(running["pid"]).children(recursive=True)
    assert descendants
    life.kennel("down")
    assert not life.home.exists()
    assert not any(each.is_running() for each in descendants)
    assert not psutil.pid_exists(running["pid"])
