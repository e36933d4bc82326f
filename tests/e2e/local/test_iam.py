"""Function and gateway as Terraform makes them, under IAM: the way works, nothing else does.

The real provider applies the two modules to the emulated account; the endpoint is real too.
"""

import json
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import function_zip
import httpx
import pytest
from botocore.exceptions import ClientError

from tests.conftest import ROOT
from tests.contract.local.conftest import ACCOUNT, QUICK, REGION, Aws, control
from tests.contract.local.lambdas import zipped
from tests.terraform.conftest import attach

pytestmark = pytest.mark.long
MODULES = ROOT / "terraform/modules"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/kennel/serve@sha256:{'2c26' * 16}"
PROVIDER = """
provider "aws" {
  region     = "eu-west-1"
  access_key = "testing"
  secret_key = "testing"
}
"""
SERVICE = """
resource "aws_kms_key" "this" {}

module "function" {
  source = "MODULES/function"

  name                    = "dogs-invoke"
  kms_key_arn             = aws_kms_key.this.arn
  provisioned_concurrency = 1
  zip_file                = "invoke.zip"

  endpoint = {
    arn  = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/dogs"
    name = "dogs"
  }
}

module "gateway" {
  source = "MODULES/gateway"

  name         = "dogs"
  firewall     = { max_body_megabytes = 4 }
  kms_key_arn  = aws_kms_key.this.arn
  openapi_file = "MODULES/../../functions/invoke/openapi.yaml"
  usage_plan   = { requests_per_day = 6 }

  function = {
    alias      = module.function.alias_name
    invoke_arn = module.function.alias_invoke_arn
    name       = module.function.name
  }
}

output "api_key" {
  value     = module.gateway.api_key
  sensitive = true
}

output "invoke_url" {
  value = module.gateway.invoke_url
}
"""
# Runs in Lambda with the function's own role, and tries what a thief would.
PROBE = """
import os
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:dogs-invoke"

def client(name):
    return boto3.client(name, config=Config(retries={"total_max_attempts": 1}))

CALLS = {
    "its endpoint": lambda: client("sagemaker-runtime").invoke_endpoint(
        EndpointName="dogs", ContentType="image/png", Body=bytes.fromhex(os.environ["PICTURE"])),
    "another endpoint": lambda: client("sagemaker-runtime").invoke_endpoint(
        EndpointName="cats", ContentType="image/png", Body=b"x"),
    "endpoint's description": lambda: client("sagemaker").describe_endpoint(EndpointName="dogs"),
    "endpoint's end": lambda: client("sagemaker").delete_endpoint(EndpointName="dogs"),
    "buckets": lambda: client("s3").list_buckets(),
    "model": lambda: client("s3").get_object(Bucket="models", Key="model.tar.gz"),
    "itself": lambda: client("lambda").invoke(FunctionName=ARN),
    "roles": lambda: client("iam").list_roles(),
    "keys": lambda: client("apigateway").get_api_keys(),
    "who am I": lambda: client("sts").get_caller_identity(),
}

def outcome(call):
    try:
        call()
        return "allowed"
    except ClientError as error:
        return error.response["Error"]["Code"]

def handle(event, context):
    return {name: outcome(call) for name, call in CALLS.items()}
"""


@dataclass
class Service:
    aws: Aws
    terraform: Callable[..., subprocess.CompletedProcess[str]]
    url: str
    key: str

    def predict(self, picture: bytes, **headers: str) -> httpx.Response:
        return httpx.post(
            f"{self.url}/v1/predict",
            content=picture,
            headers={"Content-Type": "image/jpeg", "X-Api-Key": self.key} | headers,
            timeout=30,
            trust_env=False,
        )


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Iterator[Aws]:
    """An account with an endpoint in service."""
    folder = tmp_path_factory.mktemp("iam")
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        for path in sorted((trained / "model").iterdir()):
            archive.add(path, path.name)
    with control(folder / "state") as started:
        serve(started, folder / "model.tar.gz")
        yield started


def serve(aws: Aws, artifact: Path) -> None:
    s3, sagemaker = aws.client("s3"), aws.client("sagemaker")
    s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="models", Key="model.tar.gz", Body=artifact.read_bytes())
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
    }
    role = aws.client("iam").create_role(
        RoleName="endpoint",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    container = {"Image": IMAGE, "ModelDataUrl": "s3://models/model.tar.gz"}
    sagemaker.create_model(ModelName="dogs", PrimaryContainer=container, ExecutionRoleArn=role)
    variant = {
        "VariantName": "main",
        "ModelName": "dogs",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="dogs", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="dogs", EndpointConfigName="dogs")
    deadline = time.monotonic() + 300
    while (found := sagemaker.describe_endpoint(EndpointName="dogs"))[
        "EndpointStatus"
    ] != "InService":
        assert found["EndpointStatus"] == "Creating", found
        assert time.monotonic() < deadline, aws.log
        time.sleep(0.2)


@pytest.fixture(scope="module")
def service(
    aws: Aws, terraform: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Function and gateway, applied."""
    folder = tmp_path_factory.mktemp("terraform")
    folder.joinpath("main.tf").write_text(PROVIDER + SERVICE.replace("MODULES", str(MODULES)))
    lock = ROOT / "terraform/service/.terraform.lock.hcl"
    folder.joinpath(lock.name).write_bytes(lock.read_bytes())
    function_zip.write(folder / "invoke.zip")
    environment = {**clean(), "AWS_ENDPOINT_URL": aws.address, "AWS_MAX_ATTEMPTS": "2"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [terraform, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("init", "-input=false", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr
    with attach(folder / ".terraform", environment, folder) as attached:
        environment |= attached
        done = run("apply", "-auto-approve", "-no-color")
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(run("output", "-json").stdout)
        host, _, stage = found["invoke_url"]["value"].removeprefix("https://").partition("/")
        url = f"{aws.api}/restapis/{host.partition('.')[0]}/{stage}/_user_request_"
        yield Service(aws, run, url, found["api_key"]["value"])


def clean() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}


@pytest.fixture
def enforced(service: Service) -> Iterator[None]:
    """moto checks every signature and policy while the test runs."""
    switch = f"{service.aws.address}/moto-api/reset-auth"
    assert httpx.post(switch, content="0", trust_env=False).status_code == 200
    yield
    httpx.post(switch, content="inf", trust_env=False)


@pytest.fixture(scope="module")
def picture(pictures: Path) -> bytes:
    return min(pictures.glob("test/*/*.jpg")).read_bytes()


def test_what_is_applied_needs_no_second_apply(service: Service) -> None:
    again = service.terraform("plan", "-no-color", "-detailed-exitcode")
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.usefixtures("enforced")
def test_a_picture_goes_from_the_gateway_to_the_model_and_back(
    service: Service, picture: bytes
) -> None:
    answer = service.predict(picture)
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"]["name"] == "small"
    assert len(answer.json()["predictions"]) == 3


def test_the_gateways_own_answers_are_those_of_the_module(service: Service, picture: bytes) -> None:
    refused = {
        "a valid API key is needed": service.predict(picture, **{"X-Api-Key": "wrong"}),
        "does not have the form": httpx.post(
            f"{service.url}/v1/predict",
            json={"uri": "x"},
            headers={"X-Api-Key": service.key},
            trust_env=False,
        ),
        "firewall": service.predict(bytes(4_000_000)),
        "nothing at this path": httpx.get(f"{service.url}/v1/nothing", trust_env=False),
    }
    assert [each.status_code for each in refused.values()] == [403, 400, 403, 404]
    for detail, answer in refused.items():
        assert answer.headers["content-type"] == "application/problem+json"
        assert detail in answer.json()["detail"]
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    preflight = httpx.options(f"{service.url}/v1/predict", trust_env=False)
    assert preflight.status_code == 204
    used_up = [service.predict(picture).status_code for _ in range(6)]
    assert used_up[-1] == 429


def test_all_of_it_is_written_down(service: Service) -> None:
    logs = service.aws.client("logs")

    def lines(group: str) -> str:
        events = logs.filter_log_events(logGroupName=group)["events"]
        return "\n".join(each["message"] for each in events)

    assert '"status":"200"' in lines("/aws/apigateway/dogs")
    assert "REPORT RequestId" in lines("/aws/lambda/dogs-invoke")
    assert '"message": "answered"' in lines("/aws/lambda/dogs-invoke")


def test_the_role_may_invoke_its_endpoint_and_nothing_else(
    service: Service, request: pytest.FixtureRequest
) -> None:
    from invoke.application import PROBE as PICTURE

    lambda_ = service.aws.client("lambda")
    role = lambda_.get_function(FunctionName="dogs-invoke")["Configuration"]["Role"]
    lambda_.create_function(
        FunctionName="probe",
        Role=role,
        Runtime="python3.12",
        Handler="code.handle",
        Code={"ZipFile": zipped(code=PROBE)},
        MemorySize=256,
        Timeout=30,
        Environment={"Variables": {"PICTURE": PICTURE.hex()}},
    )
    iam = service.aws.client("iam")
    iam.create_user(UserName="owner")
    allow = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName="owner", PolicyName="invoke", PolicyDocument=document)
    keys = iam.create_access_key(UserName="owner")["AccessKey"]
    request.getfixturevalue("enforced")
    owner = boto3.client(
        "lambda",
        endpoint_url=service.aws.address,
        region_name=REGION,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        config=QUICK,
    )
    outcomes = json.loads(owner.invoke(FunctionName="probe")["Payload"].read())
    allowed = {name for name, outcome in outcomes.items() if outcome == "allowed"}
    assert allowed == {"its endpoint", "who am I"}, outcomes
    assert set(outcomes.values()) - {"allowed"} <= {"AccessDenied", "AccessDeniedException"}
    with pytest.raises(ClientError, match="not authorized"):
        owner.list_functions()
