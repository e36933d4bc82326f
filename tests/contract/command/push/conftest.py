"""An account on loopback, a real registry as its ECR, and `kennel` as a person runs it."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.conftest import ROOT, free_port, missing, wait_for

REGION = "eu-west-1"
BUCKET = "kennel-dev-data"
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
# The password that moto's ECR hands out, as the registry's password file has it.
PASSWORD = "123456789012-auth-token"  # noqa: S105
HTPASSWD = "AWS:$2y$04$abcdefghijklmnopqrstuu/cMn6kFoLFEf9ShbIPSVtJoiKQtizZG\n"
CONFIG = """
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/store}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: kennel, path: {folder}/htpasswd}}}}
"""


@dataclass
class Account:
    address: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.address,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106
        )


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """An emptied AWS on loopback for a module."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request otherwise
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield Account(f"http://{host}:{port}")
    finally:
        server.stop()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's docker-registry with a password, standing in for ECR's; its address."""
    command = shutil.which("docker-registry")
    if command is None:
        missing("docker-registry", "pushing images was")
        return
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    (folder / "htpasswd").write_text(HTPASSWD)
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port))
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [command, "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    with ecr_at(address):
        wait_for(f"{address}/", process, seconds=120)
        yield address
    process.terminate()
    process.wait(120)


@contextmanager
def ecr_at(address: str) -> Iterator[None]:
    """Let moto's ECR name a registry on loopback, where it names AWS's."""
    from moto.ecr.responses import ECRResponse

    given = ECRResponse.get_authorization_token

    def elsewhere(self: ECRResponse) -> Any:
        answer = given(self)
        answer.result["authorizationData"][0]["proxyEndpoint"] = address
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ECRResponse, "get_authorization_token", elsewhere)
        yield


@dataclass
class Kennel:
    """The command in a repository of its own, signed in to the account."""

    home: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kennel", *arguments],
            cwd=self.home,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def git(self, *arguments: str) -> None:
        command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com", *arguments]
        subprocess.run(command, cwd=self.home, check=True, capture_output=True)


@pytest.fixture
def kennel(account: Account, tmp_path: Path) -> Kennel:
    """A small repository with two images of a file each, and the command in it."""
    home = tmp_path / "repository"
    shutil.copytree(
        ROOT / "scripts/kennel",
        home / "scripts/kennel",
        ignore=shutil.ignore_patterns("local"),
    )
    (home / "scripts/tools").mkdir()
    shutil.copy(ROOT / "scripts/tools/terraform.py", home / "scripts/tools")
    for name, target in {"train": "", "serve": " AS cpu"}.items():
        (home / "images" / name).mkdir(parents=True)
        (home / "images" / name / "content").write_text(f"{name} {tmp_path.name}\n")
        dockerfile = f"FROM scratch{target}\nCOPY images/{name}/content /content\n"
        (home / "images" / name / "Dockerfile").write_text(dockerfile)
    (home / ".gitignore").write_text("/build/\n__pycache__/\n/outputs.json\n")
    outputs = {
        "region": {"value": REGION, "sensitive": False, "type": "string"},
        "bucket_names": {"value": {"data": BUCKET}},
        "repository_urls": {
            "value": {name: f"{ECR}/kennel-dev/{name}" for name in ("train", "serve")}
        },
    }
    (home / "outputs.json").write_text(json.dumps({"platform": outputs}))
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "KENNEL_"))}
    environment = {
        **inherited,
        **KEYS,
        "AWS_ENDPOINT_URL": account.address,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "KENNEL_OUTPUTS": str(home / "outputs.json"),
        "PYTHONPATH": str(home / "scripts"),
        "COLUMNS": "200",
    }
    made = Kennel(home, environment)
    made.git("init", "--quiet")
    made.git("add", ".")
    made.git("commit", "--quiet", "--message", "start")
    return made
