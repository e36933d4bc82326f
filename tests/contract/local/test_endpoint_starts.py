"""Endpoints that do not come up: Failed, with a reason that says what to mend."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.local.conftest import Aws, control
from tests.contract.local.releases import BUCKET, Releases
from tests.contract.local.test_endpoint_options import SLOW
from tests.contract.local.workload import program

QUICKLY = """
from kennel.local.aws.serving import asked
asked.STARTUP_SECONDS = 8.0
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "weights").write_bytes(b"any")
    return folder


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with control(tmp_path_factory.mktemp("aws"), "--speed", "60", patch=QUICKLY) as started:
        yield started


@pytest.fixture(scope="module")
def releases(aws: Aws, model: Path) -> Releases:
    return Releases(aws, model)


def reason(endpoint: dict[str, Any]) -> str:
    assert endpoint["EndpointStatus"] == "Failed"
    return str(endpoint["FailureReason"])


def test_a_container_that_ends(releases: Releases, tmp_path: Path) -> None:
    ends = program(tmp_path, "print('no weights'); sys.exit(3)", "server")
    said = reason(releases.endpoint("ends", **ends))
    assert "variant live did not pass the ping health check" in said
    assert "ended with exit code 3" in said
    assert said.endswith("no weights")


def test_a_container_that_never_answers(releases: Releases, tmp_path: Path) -> None:
    silent = program(tmp_path, "print('thinking', flush=True); time.sleep(600)", "server")
    said = reason(releases.endpoint("silent", **silent))
    assert "did not pass the ping health check" in said
    assert "answered no ping" in said


def test_an_artifact_that_is_no_archive(releases: Releases) -> None:
    data = releases.artifact(b"PK\x03\x04 a zip, say")
    said = reason(releases.endpoint("zip", data=data))
    assert said.startswith(f"{data} is not a tar.gz archive")


def test_an_artifact_that_its_role_may_not_read(
    aws: Aws, releases: Releases, tmp_path: Path
) -> None:
    server = program(tmp_path, SLOW, "server")
    roles = [role_for(aws, bucket) for bucket in (BUCKET, "another")]
    configs = [releases.config(role=each, **server) for each in roles]
    owner = owner_of(aws)
    with enforced(aws):
        for config in configs:
            owner.create_endpoint(EndpointName=config, EndpointConfigName=config)
        waiter = owner.get_waiter("endpoint_in_service")
        waiter.wait(EndpointName=configs[0], WaiterConfig={"Delay": 1})
    said = reason(releases.settled(configs[1]))
    assert "the role passed to CreateModel has permissions to download the model" in said
    assert "AccessDenied (403)" in said


def role_for(aws: Aws, bucket: str) -> str:
    """A role that may read the objects of this bucket alone."""
    iam, name = aws.client("iam"), f"{bucket}-reader"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy())["Role"]["Arn"]
    reads = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=policy(reads))
    return str(arn)


def owner_of(aws: Aws) -> Any:
    """SageMaker's client with the keys of somebody who may do anything."""
    iam, name = aws.client("iam"), "owner"
    iam.create_user(UserName=name)
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy(everything))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return aws.client(
        "sagemaker",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def policy(*statements: dict[str, str]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@contextmanager
def enforced(aws: Aws) -> Iterator[None]:
    """moto checks every signature and policy."""
    switch = f"{aws.address}/moto-api/reset-auth"
    assert httpx.post(switch, content="0", trust_env=False).status_code == 200
    try:
        yield
    finally:
        httpx.post(switch, content="inf", trust_env=False)


@pytest.mark.usefixtures("docker")
def test_an_image_that_is_not_there(model: Path, tmp_path: Path) -> None:
    with control(tmp_path, "--runner", "docker") as aws:
        said = reason(Releases(aws, model).endpoint("nowhere"))
    assert said.startswith("this machine has no image serve: build it")
