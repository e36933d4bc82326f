"""terraform/stack.py as a person uses it, from nothing to nothing, against S3, IAM and KMS of moto.

Terraform, its S3 backend with native locking and the provider are the real ones. The root is
`bootstrap`, which makes the place of its own state: the hardest of the three to begin and to end.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.terraform.conftest import PROVIDER, TERRAFORM, Environment, attach, call

BUCKET = "kennel-dev-state-123456789012"
STATE = "kennel-dev/bootstrap.tfstate"
SHOWN = "kennel-dev/shown/bootstrap.tfstate"
REGION = "eu-west-1"


class Fault:
    """IAM refuses to make a policy, when a test wants it."""

    is_there = False


@pytest.fixture(scope="module")
def fault() -> Iterator[Fault]:
    from moto.iam.exceptions import EntityAlreadyExists
    from moto.iam.models import IAMBackend

    from kennel.local.aws.additions import s3

    s3.install(None)  # what moto lacks is added in one place
    fault = Fault()
    create = IAMBackend.create_policy

    def create_policy(self: IAMBackend, *arguments: Any, **named: Any) -> Any:
        if fault.is_there:
            raise EntityAlreadyExists("not today")
        return create(self, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IAMBackend, "create_policy", create_policy)
        yield fault


@pytest.fixture(scope="module")
def env(fault: Fault, attached: Environment, terraform: str) -> Iterator[Environment]:
    from moto.server import ThreadedMotoServer

    assert not fault.is_there
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = attached | {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_MAX_ATTEMPTS": "2",
        "KENNEL_TERRAFORM": terraform,
        "TF_CLI_ARGS_destroy": "-auto-approve",
    }
    with attach(Path(attached[PROVIDER]), given) as env:
        yield env
    server.stop()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy to work in: with an API key, as `service` has one, and without the bucket's lifecycle,
    whose reading back takes a minute."""
    tree = tmp_path_factory.mktemp("tree") / "terraform"
    ignored = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfplan", "local_override.tf")
    shutil.copytree(TERRAFORM, tree, ignore=ignored)
    main = tree / "bootstrap/main.tf"
    slow = re.compile(r'^resource "aws_s3_bucket_lifecycle_configuration".*?^}\n', re.M | re.S)
    text, count = slow.subn("", main.read_text())
    assert count == 1
    main.write_text(text + KEY)
    return tree


KEY = """
resource "aws_api_gateway_api_key" "this" {
  name = "kennel"
}

output "api_key" {
  value     = aws_api_gateway_api_key.this.value
  sensitive = true
}
"""


Make = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def make(tree: Path, env: Environment) -> Make:
    """`make VERB STACK=bootstrap ENV=dev`."""

    def make(verb: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(tree / "stack.py"), verb, "bootstrap", "dev"]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    return make


@pytest.fixture(scope="module")
def s3(env: Environment) -> Iterator[Any]:
    session = boto3.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
    client = session.client("s3", region_name=REGION, endpoint_url=env["AWS_ENDPOINT_URL"])
    yield client
    client.close()


def said(done: subprocess.CompletedProcess[str]) -> str:
    return re.sub(r"\x1b\[\d+m|[╷│╵]", "", done.stdout + done.stderr)


def keys(s3: Any) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@pytest.mark.long
def test_a_stack_from_nothing_to_nothing(
    make: Make, tree: Path, env: Environment, s3: Any, fault: Fault
) -> None:
    folder = tree / "bootstrap"

    # An apply that fails half-way: what it has made is known, and nothing has moved.
    assert make("plan").returncode == 0
    fault.is_there = True
    failed = make("apply")
    fault.is_there = False
    assert failed.returncode == 1
    assert "not today" in said(failed)
    assert json.loads(folder.joinpath("dev.tfstate").read_text())["resources"]
    assert "run plan first" in said(make("apply")), "a plan is good for one try"

    # The next one finishes it; the state moves into the bucket that it has made.
    assert make("plan").returncode == 0
    done = make("apply")
    assert done.returncode == 0, said(done)
    assert keys(s3) == [STATE, SHOWN]
    assert not list(folder.glob("*.tfstate*"))

    # Nothing has changed, and nothing is changed, from any machine.
    shutil.rmtree(folder / ".terraform")
    again = make("plan")
    assert "No changes." in said(again)
    assert make("apply").returncode == 0
    history = s3.list_object_versions(Bucket=BUCKET, Prefix=STATE)["Versions"]
    assert len({each["ETag"] for each in history}) == len(history)

    # A pull request is planned from the copy, which holds no secret.
    state = json.loads(s3.get_object(Bucket=BUCKET, Key=STATE)["Body"].read())
    shown = s3.get_object(Bucket=BUCKET, Key=SHOWN)["Body"].read()
    assert state["outputs"]["api_key"]["value"]
    assert state["outputs"]["api_key"]["value"].encode() not in shown
    request = tree / "pull-request"
    shutil.copytree(folder, request, ignore=shutil.ignore_patterns(".terraform", "*.tfplan"))
    request.joinpath("terraform.tfstate").write_bytes(shown)
    request.joinpath("local_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    call(env["KENNEL_TERRAFORM"], "init", folder=request, env=env)
    values = ("-refresh=false", "-var-file=dev.tfvars")
    planned = call(env["KENNEL_TERRAFORM"], "plan", *values, folder=request, env=env)
    assert "No changes." in planned, planned

    # Who comes second waits for the first: the lock is an object beside the state.
    lock = {"ID": "1", "Operation": "OperationTypeApply", "Who": "a colleague"}
    s3.put_object(Bucket=BUCKET, Key=f"{STATE}.tflock", Body=json.dumps(lock))
    locked = make("plan")
    assert locked.returncode == 1
    assert "a colleague" in said(locked)
    s3.delete_object(Bucket=BUCKET, Key=f"{STATE}.tflock")

    # Destroy empties no bucket unless the variable says so, and then takes nothing away at all.
    refused = make("destroy")
    assert refused.returncode == 1
    assert f"{BUCKET} would be left" in said(refused)
    assert "No changes." in said(make("plan"))

    with folder.joinpath("dev.tfvars").open("a") as values:
        values.write("\nforce_destroy = true\n")
    assert make("plan").returncode == 0
    assert make("apply").returncode == 0

    # Nor does it while another root has its state in there.
    platform = "kennel-dev/platform.tfstate"
    s3.put_object(Bucket=BUCKET, Key=platform, Body=json.dumps({"resources": [{}]}))
    assert "platform must be destroyed first" in said(make("destroy"))
    s3.put_object(Bucket=BUCKET, Key=platform, Body=json.dumps({"resources": []}))

    gone = make("destroy")
    assert gone.returncode == 0, said(gone)
    assert BUCKET not in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    assert not folder.joinpath("dev.tfstate").exists()
