"""A release's life against a loopback API: first, changed, scaled out, rolled back, mended, gone.

The real provider applies the endpoint module to moto, to which loopback.py adds UpdateEndpoint.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.terraform.conftest import PROVIDER, TERRAFORM, Environment, attach, call

sys.path.insert(0, str(TERRAFORM))
import stack

if TYPE_CHECKING:  # moto takes seconds to import, which collection need not wait for
    from tests.terraform import loopback


ROOT = """
provider "aws" {{
  region                      = "eu-west-1"
  access_key                  = "testing"
  secret_key                  = "testing"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}}

variable "model" {{}}
variable "instance_type" {{ default = "ml.m5.xlarge" }}
variable "running" {{ default = null }}
variable "is_serverless" {{
  type    = bool
  default = false
}}

resource "aws_vpc" "this" {{
  cidr_block = "10.20.0.0/16"
}}

resource "aws_subnet" "this" {{
  for_each          = {{ a = 0, b = 1 }}
  vpc_id            = aws_vpc.this.id
  availability_zone = "eu-west-1${{each.key}}"
  cidr_block        = cidrsubnet(aws_vpc.this.cidr_block, 4, each.value)
}}

module "endpoint" {{
  source = "{modules}/endpoint"

  name              = "kennel-test"
  image             = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kennel/serve@sha256:{digest}"
  instance_type     = var.instance_type
  kms_key_arn       = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  model_data        = "s3://kennel-models/dogs/${{var.model}}/model.tar.gz"
  running_instances = var.running
  serverless        = (var.is_serverless ? {{}} : null)

  network = {{
    s3_prefix_list_id = "pl-6da54004"
    subnet_ids        = [for subnet in aws_subnet.this : subnet.id]
    vpc_id            = aws_vpc.this.id
  }}
}}
"""


@pytest.fixture(scope="module")
def aws() -> Iterator["loopback.Aws"]:
    from tests.terraform import loopback

    with loopback.serve() as fake:
        yield fake


Apply = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def env(attached: Environment, aws: "loopback.Aws") -> Iterator[Environment]:
    with attach(Path(attached[PROVIDER]), attached | {"AWS_ENDPOINT_URL": aws.url}) as env:
        yield env


@pytest.fixture(scope="module")
def run(
    terraform: str,
    env: Environment,
    aws: "loopback.Aws",
    tmp_path_factory: pytest.TempPathFactory,
) -> Apply:
    """Runs a Terraform command with the values of a release."""
    folder = tmp_path_factory.mktemp("release")
    text = ROOT.format(modules=TERRAFORM / "modules", digest="2c26" * 16)
    folder.joinpath("main.tf").write_text(text)
    call(terraform, "init", folder=folder, env=env)

    def run(verb: str, *arguments: str, **values: object) -> subprocess.CompletedProcess[str]:
        aws.calls.clear()
        aws.statuses.clear()
        given = [f"-var={name}={value}" for name, value in values.items()]
        return subprocess.run(
            [terraform, verb, "-no-color", *arguments, *given],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def apply(run: Apply, **values: object) -> subprocess.CompletedProcess[str]:
    return run("apply", "-auto-approve", **values)


ONE_RELEASE = {"configurations": 1, "models": 1, "roles": 1}


def instances(aws: "loopback.Aws") -> int:
    [variant] = aws.sagemaker.endpoints["kennel-test"].production_variants
    return int(variant["CurrentInstanceCount"])


@pytest.mark.long
def test_a_release_lives_through_all_that_happens_to_it(run: Apply, aws: "loopback.Aws") -> None:
    first = apply(run, model=1)
    assert first.returncode == 0, first.stderr
    assert aws.calls == ["create_endpoint_config", "register_scalable_target"]
    assert aws.statuses[:3] == ["Creating", "Creating", "InService"]  # it waits

    # Nothing has changed, and nothing is changed, though autoscaling has added instances.
    aws.scale("kennel-test", 3)
    again = run("plan", "-detailed-exitcode", model=1, running=3)
    assert again.returncode == 0, again.stdout

    # A new release: in place, with as many instances as run; the old configuration goes last, when
    # the new one serves (before that AWS would refuse it).
    second = apply(run, model=2, running=3)
    assert second.returncode == 0, second.stderr
    updating = aws.statuses.index("Updating")
    assert aws.statuses[updating : updating + 3] == ["Updating", "Updating", "InService"]
    assert aws.calls == ["create_endpoint_config", "update_endpoint", "delete_endpoint_config"]
    assert instances(aws) == 3
    assert aws.deployment["kennel-test"]["AutoRollbackConfiguration"]["Alarms"]

    # Another instance type: out of autoscaling before the update, back after it.
    larger = {"instance_type": "ml.m5.2xlarge", "running": 3}
    third = apply(run, model=2, **larger)
    assert third.returncode == 0, third.stderr
    assert aws.calls == [
        "deregister_scalable_target",
        "create_endpoint_config",
        "update_endpoint",
        "register_scalable_target",
        "delete_endpoint_config",
    ]
    served = aws.sagemaker.endpoints["kennel-test"].endpoint_config_name

    # A release that SageMaker rolls back: an error that says so, and what serves stays whole.
    aws.rolls_back = "unseen"
    failed = apply(run, model=3, **larger)
    assert failed.returncode == 1
    assert "rolled this release back" in failed.stderr
    assert "delete_endpoint_config" not in aws.calls
    assert aws.sagemaker.endpoints["kennel-test"].endpoint_config_name == served
    assert served in aws.sagemaker.endpoint_configs

    # The previous release again, under new names: its old role and model still wait for their end.
    aws.rolls_back = ""
    previous = apply(run, model=2, **larger)
    assert previous.returncode == 0, previous.stderr
    assert aws.kept() == ONE_RELEASE
    assert instances(aws) == 3
    settled = run("plan", "-detailed-exitcode", model=2, **larger)
    assert settled.returncode == 0, settled.stdout
    served = aws.sagemaker.endpoints["kennel-test"].endpoint_config_name

    # Where the provider looks while it happens, it fails by itself; stack.py says what that means.
    aws.rolls_back = "seen"
    failed = apply(run, model=3, **larger)
    assert failed.returncode == 1
    assert "RollingBack" in failed.stderr
    assert aws.sagemaker.endpoints["kennel-test"].endpoint_config_name == served
    assert served in aws.sagemaker.endpoint_configs

    # The mended release goes through, and what the failed one left is cleared away.
    aws.rolls_back = ""
    mended = apply(run, model=4, **larger)
    assert mended.returncode == 0, mended.stderr
    assert instances(aws) == 3
    assert aws.kept() == ONE_RELEASE
    settled = run("plan", "-detailed-exitcode", model=4, **larger)
    assert settled.returncode == 0, settled.stdout

    # Without the count the fleet would shrink: `running` is what has kept it, and nothing else.
    assert apply(run, model=5, instance_type="ml.m5.2xlarge").returncode == 0
    assert instances(aws) == 1

    # Destroy takes down all that apply has made, and waits for the interfaces that are left.
    gone = run("destroy", "-auto-approve", model=5, instance_type="ml.m5.2xlarge")
    assert gone.returncode == 0, gone.stderr
    assert not aws.sagemaker.endpoints
    assert not any(aws.kept().values())
    assert aws.refused == 2


@pytest.mark.long
def test_alarms_that_only_a_new_endpoint_can_have_are_seen_in_the_plan(
    run: Apply,
) -> None:
    """An endpoint without instances has none; the provider cannot give it any in place."""
    assert apply(run, model=1, is_serverless="true").returncode == 0
    assert run("plan", "-out=anew.tfplan", model=1).returncode == 0
    shown = run("show", "-json", "anew.tfplan").stdout
    [lost] = stack.takes_down(json.loads(shown))
    assert lost.startswith("module.endpoint.aws_sagemaker_endpoint.this (for its ")
    assert "auto_rollback_configuration" in lost
    gone = run("destroy", "-auto-approve", model=1, is_serverless="true")
    assert gone.returncode == 0, gone.stderr
