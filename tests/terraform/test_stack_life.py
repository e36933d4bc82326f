"""All three roots through terraform/stack.py as a person uses it, from nothing to nothing, on the
emulated account.

The account is the one of `kennel local`, a process of its own, with AWS's waits 60 times as fast;
a small program stands for the server behind the endpoint. Terraform, its S3 backend, the provider
and every resource of the roots are the real ones: those of prod, which has most of them (dev is
what `tests/e2e/local` applies), and what a release may ask for besides.
"""

import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from kennel.local.terraform import environment
from tests.conftest import ROOT
from tests.contract.local.conftest import REGION, Aws, control
from tests.contract.local.workload import program
from tests.terraform.conftest import PROVIDER, ROOTS, TERRAFORM, Environment, attach, call

SERVER = """
    import socket
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=int(os.environ["KENNEL_FD"]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()
"""
NAME = "kennel-prod"
SCHEDULE = {"new-year": {"cron": "0 3 1 1 ? *", "min_instances": 1, "max_instances": 2}}
STATE = f"{NAME}/bootstrap.tfstate"
BUCKET = f"{NAME}-state-123456789012"
FAULT = "fault"  # a file in the account's folder: while it is there, IAM makes no policy
BROKEN = """
from pathlib import Path
from moto.iam.exceptions import EntityAlreadyExists
from moto.iam.models import IAMBackend
from moto.sqs.responses import SQSResponse

SQSResponse.get_queue_url = lambda self: 1 / 0
create = IAMBackend.create_policy

def create_policy(self, *arguments, **named):
    if Path({fault!r}).exists():
        raise EntityAlreadyExists("not today")
    return create(self, *arguments, **named)

IAMBackend.create_policy = create_policy
"""
QUEUE = """
provider "aws" {}

data "aws_sqs_queue" "this" {
  name = "any"
}
"""
Outputs = dict[str, Any]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    state = tmp_path_factory.mktemp("aws")
    broken = BROKEN.format(fault=str(state / FAULT))
    with control(state, "--speed", "60", patch=broken) as started:
        started.client("iam").create_open_id_connect_provider(  # which prod finds made by dev
            Url="https://token.actions.githubusercontent.com", ClientIDList=["sts.amazonaws.com"]
        )
        yield started


def restarted(aws: Aws) -> AbstractContextManager[Aws]:
    """The account anew from what it kept, at the same address."""
    aws.process.terminate()
    aws.process.wait(120)
    return control(aws.state, "--speed", "60", "--port", aws.address.rpartition(":")[2])


@pytest.fixture(scope="module")
def env(aws: Aws, attached: Environment, terraform: str) -> Iterator[Environment]:
    given = attached | environment(aws.address, REGION)
    given |= {"KENNEL_TERRAFORM": terraform, "TF_CLI_ARGS_destroy": "-auto-approve"}
    with attach(Path(attached[PROVIDER]), given) as env:
        yield env


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the roots read, to work in; what they make can be destroyed."""
    tree = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns(
        ".terraform", "*.tfstate*", "*.tfplan", "*_override.tf", "*.release.json", "__pycache__"
    )
    shutil.copytree(TERRAFORM, tree / "terraform", ignore=ignored)
    shutil.copytree(ROOT / "functions", tree / "functions", ignore=ignored)
    script = str(ROOT / "scripts/tools/function_zip.py")
    subprocess.run([sys.executable, script, str(tree / "build/invoke.zip")], check=True)
    with tree.joinpath("terraform/platform/prod.tfvars").open("a") as values:
        values.write("\nforce_destroy = true\n")
    return tree


Try = Callable[[str, str], subprocess.CompletedProcess[str]]
Make = Callable[[str, str], str]


@pytest.fixture(scope="module")
def tried(tree: Path, env: Environment) -> Try:
    """`make VERB STACK=... ENV=prod`."""

    def tried(verb: str, root: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(tree / "terraform/stack.py"), verb, root, "prod"]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    return tried


@pytest.fixture(scope="module")
def make(tried: Try) -> Make:
    """The same, which must succeed; returns its output."""

    def make(verb: str, root: str) -> str:
        done = tried(verb, root)
        shown = f"{done.stderr}\n{done.stdout[-3000:]}"  # the error first: CI shows a part of it
        assert done.returncode == 0, f"{verb} {root}\n{shown}"
        return done.stdout

    return make


def printed(done: subprocess.CompletedProcess[str]) -> str:
    return re.sub(r"\x1b\[\d+m|[╷│╵]", "", done.stdout + done.stderr)


def outputs(tree: Path, root: str, env: Environment) -> Outputs:
    told = call(
        env["KENNEL_TERRAFORM"], "output", "-json", folder=tree / "terraform" / root, env=env
    )
    return {name: each["value"] for name, each in json.loads(told).items()}


def release(tree: Path, aws: Aws, platform: Outputs, server: dict[str, str]) -> None:
    """What `kennel deploy` does: the artifact into its bucket, the values beside prod.tfvars."""
    bucket = platform["bucket_names"]["models"]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"))
    aws.client("s3").put_object(Bucket=bucket, Key="1/model.tar.gz", Body=packed.getvalue())
    values = {
        "data_bucket": platform["bucket_names"]["data"],
        "data_capture": {"bucket": platform["bucket_names"]["data"], "percent": 10},
        "environment": server,
        # Not as in prod.tfvars: the tests' one provider does not stand in the root's folder.
        "function_zip": str(tree / "build/invoke.zip"),
        "image": f"{platform['repository_urls']['serve']}@sha256:{'2c26' * 16}",
        "kms_key_arn": platform["kms_key_arn"],
        "model_data": f"s3://{bucket}/1/model.tar.gz",
        "network": platform["network"],
        "scaling": {"min_instances": 2, "schedule": SCHEDULE, "surge": {"concurrent_requests": 12}},
    }
    tree.joinpath("terraform/service/prod.release.json").write_text(json.dumps(values))


@pytest.mark.long
def test_a_failure_of_the_account_ends_a_plan_at_once(env: Environment, tmp_path: Path) -> None:
    """The provider heeds no AWS_MAX_ATTEMPTS, and would repeat a 500 for ten minutes."""
    (tmp_path / "main.tf").write_text(QUEUE)
    call(env["KENNEL_TERRAFORM"], "init", folder=tmp_path, env=env)
    command = [env["KENNEL_TERRAFORM"], "plan", "-no-color"]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert "EmulatorFailure" in done.stderr
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.long
def test_an_apply_that_failed_half_way_is_finished_by_the_next(
    make: Make, tried: Try, tree: Path, aws: Aws
) -> None:
    """Bootstrap makes the place of its own state: the hardest of the roots to begin and to end."""
    folder, fault = tree / "terraform/bootstrap", aws.state / FAULT
    make("plan", "bootstrap")
    fault.touch()
    failed = tried("apply", "bootstrap")
    fault.unlink()
    assert failed.returncode == 1
    assert "not today" in printed(failed)
    assert json.loads(folder.joinpath("prod.tfstate").read_text())["resources"]
    assert "run plan first" in printed(tried("apply", "bootstrap")), "a plan is good for one try"

    make("plan", "bootstrap")
    make("apply", "bootstrap")
    listed = aws.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [each["Key"] for each in listed] == [STATE, f"{NAME}/shown/bootstrap.tfstate"]
    assert not list(folder.glob("*.tfstate*"))


@pytest.mark.long
def test_every_root_lives_from_its_first_plan_to_its_end(
    make: Make, tried: Try, tree: Path, env: Environment, aws: Aws, tmp_path: Path
) -> None:
    for root in ROOTS[1:]:
        if root == "service":
            platform = outputs(tree, "platform", env)
            release(tree, aws, platform, program(tmp_path, SERVER, "server"))
        make("plan", root)
        make("apply", root)
    plan_a_pull_request(tree, aws, env)

    with restarted(aws):
        # Nothing has changed, and nothing is changed, from any machine.
        settle(aws)
        shutil.rmtree(tree / "terraform/bootstrap/.terraform")
        for root in ROOTS:
            assert "No changes." in (plan := make("plan", root)), plan
        make("apply", "bootstrap")
        history = aws.client("s3").list_object_versions(Bucket=BUCKET, Prefix=STATE)["Versions"]
        assert len({each["ETag"] for each in history}) == len(history)

        # Nor when autoscaling has added an instance.
        aws.client("sagemaker").update_endpoint_weights_and_capacities(
            EndpointName=NAME,
            DesiredWeightsAndCapacities=[{"VariantName": "live", "DesiredInstanceCount": 3}],
        )
        settle(aws)
        assert "No changes." in (plan := make("plan", "service")), plan

        wait_for_a_colleague(tried, aws)
        destroy(make, tried, tree)
        assert left(aws) == []
        assert not tree.joinpath("terraform/bootstrap/prod.tfstate").exists()


def plan_a_pull_request(tree: Path, aws: Aws, env: Environment) -> None:
    """From the copy of the state, which holds no secret."""
    s3, key = aws.client("s3"), f"{NAME}/service.tfstate"
    state = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    shown = s3.get_object(Bucket=BUCKET, Key=f"{NAME}/shown/service.tfstate")["Body"].read()
    assert state["outputs"]["api_key"]["value"]
    assert state["outputs"]["api_key"]["value"].encode() not in shown
    folder, request = tree / "terraform/service", tree / "terraform/pull-request"
    shutil.copytree(folder, request, ignore=shutil.ignore_patterns(".terraform", "*.tfplan"))
    request.joinpath("terraform.tfstate").write_bytes(shown)
    request.joinpath("local_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    call(env["KENNEL_TERRAFORM"], "init", folder=request, env=env)
    values = ["-var-file=prod.tfvars", "-var-file=prod.release.json", "-var=running_instances=2"]
    planned = call(
        env["KENNEL_TERRAFORM"], "plan", "-refresh=false", *values, folder=request, env=env
    )
    assert "No changes." in planned, planned


def wait_for_a_colleague(tried: Try, aws: Aws) -> None:
    """Who comes second is told of the first: the lock is an object beside the state."""
    lock = {"ID": "1", "Operation": "OperationTypeApply", "Who": "a colleague"}
    where = {"Bucket": BUCKET, "Key": f"{STATE}.tflock"}
    aws.client("s3").put_object(**where, Body=json.dumps(lock))
    locked = tried("plan", "bootstrap")
    assert locked.returncode == 1
    assert "a colleague" in printed(locked)
    aws.client("s3").delete_object(**where)


def destroy(make: Make, tried: Try, tree: Path) -> None:
    """In the reverse order. Nothing at all goes while a bucket would be left with what it holds,
    or another root would lose its state."""
    assert f"{BUCKET} would be left" in printed(tried("destroy", "bootstrap"))
    assert "No changes." in make("plan", "bootstrap")
    with tree.joinpath("terraform/bootstrap/prod.tfvars").open("a") as values:
        values.write("\nforce_destroy = true\n")
    make("plan", "bootstrap")
    make("apply", "bootstrap")
    refused = printed(tried("destroy", "bootstrap"))
    assert "platform, service must be destroyed first" in refused
    for root in reversed(ROOTS):
        make("destroy", root)


def settle(aws: Aws) -> None:
    waiter = aws.client("sagemaker").get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=NAME, WaiterConfig={"Delay": 1})


def left(aws: Aws) -> list[str]:
    """Names of what costs something, or holds something, or lets somebody in."""
    found = [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]]
    found += [
        each["EndpointName"] for each in aws.client("sagemaker").list_endpoints()["Endpoints"]
    ]
    found += [each["ModelName"] for each in aws.client("sagemaker").list_models()["Models"]]
    found += [each["FunctionName"] for each in aws.client("lambda").list_functions()["Functions"]]
    found += [each["name"] for each in aws.client("apigateway").get_rest_apis()["items"]]
    found += [each["RoleName"] for each in aws.client("iam").list_roles()["Roles"]]
    found += [
        each["AlarmName"] for each in aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    ]
    vpcs = aws.client("ec2").describe_vpcs()["Vpcs"]
    return found + [each["VpcId"] for each in vpcs if not each["IsDefault"]]
