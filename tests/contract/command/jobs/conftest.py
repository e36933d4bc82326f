"""An emulated account as the verbs see it: AWS_ENDPOINT_URL, and outputs as Terraform has them."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.contract.command.jobs.stand_in import TRAINER
from tests.contract.local.conftest import ACCOUNT, REGION, Aws, control

PREFIX = "kennel-test"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-training"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
MACHINE_IMAGE = "ami-03cf127a"  # one of the 1291 of moto, which takes seconds to list them
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{PREFIX}"


def trust(service: str) -> str:
    """Who may take a role: that service."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass
class Account:
    """Runs `kennel` as a process of its own, in a folder of its own."""

    aws: Aws
    home: Path
    outputs: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def kennel(
        self, *arguments: str, code: int = 0, seconds: float = 300, **more: str
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=seconds)
        assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments: str, **more: Any) -> Any:
        return json.loads(self.kennel(*arguments, "--json", **more).stdout)

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "kennel", *arguments],
            cwd=self.home,
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def save(self) -> None:
        (self.home / "outputs.json").write_text(json.dumps(self.outputs))


def platform_outputs() -> dict[str, Any]:
    models = f"{PREFIX}-models"
    return {
        "bucket_names": {"data": f"{PREFIX}-data", "models": models},
        "fleet": None,
        "kms_key_arn": KEY,
        "prefix": PREFIX,
        "region": REGION,
        "repository_urls": {"train": f"{REGISTRY}/train", "serve": f"{REGISTRY}/serve"},
        "training_job": {
            "checkpoint_s3_uri": f"s3://{models}/checkpoints",
            "instance_count": 1,
            "instance_type": "ml.m5.xlarge",
            "isolated": True,
            "kms_key_arn": KEY,
            "max_runtime": 3600,
            "name_prefix": f"{PREFIX}-",
            "output_s3_uri": f"s3://{models}/jobs",
            "role_arn": ROLE,
            "security_group_ids": ["sg-0a1b2c3d4e5f60001"],
            "spot": False,
            "subnet_ids": ["subnet-0a1b2c3d4e5f60001"],
            "volume_gb": 5,
        },
    }


def push_image(aws: Aws, name: str) -> str:
    """As the registry has it after a push; only the digest matters here."""
    ecr, repository = aws.client("ecr"), f"{PREFIX}/{name}"
    ecr.create_repository(repositoryName=repository)
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"digest": f"sha256:{hashlib.sha256(name.encode()).hexdigest()}", "size": 1},
        "layers": [],
    }
    answer = ecr.put_image(
        repositoryName=repository, imageManifest=json.dumps(manifest), imageTag="0a1b2c3d4e5f"
    )
    return f"{REGISTRY}/{name}@{answer['image']['imageId']['imageDigest']}"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    home = tmp_path_factory.mktemp("home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with control(tmp_path_factory.mktemp("aws"), "--speed", "60") as aws:
        place = {"LocationConstraint": REGION}
        for name in ("data", "models"):
            aws.client("s3").create_bucket(
                Bucket=f"{PREFIX}-{name}", CreateBucketConfiguration=place
            )
        iam = aws.client("iam")
        iam.create_role(RoleName=f"{PREFIX}-training", AssumeRolePolicyDocument=trust("sagemaker"))
        for name in ("train", "serve"):
            push_image(aws, name)
        found = Account(aws, home, {"platform": platform_outputs()})
        found.environment = kept | {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_ENDPOINT_URL": aws.address,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "KENNEL_OUTPUTS": str(home / "outputs.json"),
            "COLUMNS": "200",
        }
        found.save()
        yield found


@pytest.fixture(scope="module")
def dogs(account: Account, pictures: Path) -> str:
    """The small set in the data bucket."""
    client = account.aws.client("s3")
    for path in sorted(pictures.rglob("*")):
        if path.is_file():
            key = f"dogs/{path.relative_to(pictures).as_posix()}"
            client.put_object(Bucket=f"{PREFIX}-data", Key=key, Body=path.read_bytes())
    return "dogs"


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A folder in which `python -m trainer` is the small program."""
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer/__init__.py").touch()
    (tmp_path / "trainer/__main__.py").write_text(TRAINER)
    return tmp_path
