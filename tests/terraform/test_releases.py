"""A release's life against a loopback API: first, changed, scaled out, rolled back, mended, gone.

The real provider applies the endpoint module to moto, to which loopback.py adds UpdateEndpoint.
"""

import subprocess
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.terraform.conftest import TERRAFORM, Environment, call

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

  endpoints {{
{endpoints}
  }}
}}

variable "model" {{}}
variable "instance_type" {{ default = "ml.m5.xlarge" }}
variable "running" {{ default = null }}

module "endpoint" {{
  source = "{modules}/endpoint"

  name              = "kennel-test"
  image             = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kennel/serve@sha256:{digest}"
  instance_type     = var.instance_type
  kms_key_arn       = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  model_data        = "s3://kennel-models/dogs/${{var.model}}/model.tar.gz"
  running_instances = var.running
}}
"""


@pytest.fixture(scope="module")
def aws() -> Iterator["loopback.Aws"]:
    from tests.terraform import loopback

    with loopback.serve() as fake:
        yield fake


Apply = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(
    terraform: str,
    attached: Environment,
    aws: "loopback.Aws",
    tmp_path_factory: pytest.TempPathFactory,
) -> Apply:
    """Runs a Terraform command with the values of a release."""
    folder = tmp_path_factory.mktemp("release")
    from tests.terraform import loopback

    services = "\n".join(f'    {name} = "{aws.url}"' for name in loopback.SERVICES)
    text = ROOT.format(endpoints=services, modules=TERRAFORM / "modules", digest="2c26" * 16)
    folder.joinpath("main.tf").write_text(text)
    call(terraform, "init", folder=folder, env=attached)

    def run(verb: str, *arguments: str, **values: object) -> subprocess.CompletedProcess[str]:
        aws.calls.clear()
        given = [f"-var={name}={value}" for name, value in values.items()]
        return subprocess.run(
            [terraform, verb, "-no-color", "-compact-warnings", *arguments, *given],
            cwd=folder,
            env=attached,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def apply(run: Apply, **values: object) -> subprocess.CompletedProcess[str]:
    return run("apply", "-auto-approve", **values)


def instances(aws: "loopback.Aws") -> int:
    [variant] = aws.sagemaker.endpoints["kennel-test"].production_variants
    return int(variant["CurrentInstanceCount"])


@pytest.mark.slow
def test_a_release_lives_through_all_that_happens_to_it(run: Apply, aws: "loopback.Aws") -> None:
    first = apply(run, model=1)
    assert first.returncode == 0, first.stderr
    assert aws.calls == ["create_endpoint_config", "register_scalable_target"]

    # Nothing has changed, and nothing is changed, though autoscaling has added instances.
    aws.scale("kennel-test", 3)
    again = run("plan", "-detailed-exitcode", model=1, running=3)
    assert again.returncode == 0, again.stdout

    # A new release: in place, with as many instances as run; the old configuration goes last.
    second = apply(run, model=2, running=3)
    assert second.returncode == 0, second.stderr
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
    aws.rolls_back = True
    failed = apply(run, model=3, **larger)
    assert failed.returncode == 1
    assert "rolled this release back" in failed.stderr
    assert "delete_endpoint_config" not in aws.calls
    assert aws.sagemaker.endpoints["kennel-test"].endpoint_config_name == served
    assert served in aws.sagemaker.endpoint_configs

    # The mended release goes through, and what the failed one left is cleared away.
    aws.rolls_back = False
    mended = apply(run, model=4, **larger)
    assert mended.returncode == 0, mended.stderr
    assert instances(aws) == 3
    assert len(aws.sagemaker.endpoint_configs) == 1
    settled = run("plan", "-detailed-exitcode", model=4, **larger)
    assert settled.returncode == 0, settled.stdout

    # Destroy takes down all that apply has made.
    gone = run("destroy", "-auto-approve", model=4, **larger)
    assert gone.returncode == 0, gone.stderr
    assert not aws.sagemaker.endpoints
    assert not aws.sagemaker.endpoint_configs


@pytest.mark.slow
def test_without_the_count_a_release_would_shrink_the_fleet(
    run: Apply, aws: "loopback.Aws"
) -> None:
    """That `running_instances` does what the test above says, and not something else."""
    assert apply(run, model=1).returncode == 0
    aws.scale("kennel-test", 3)
    assert apply(run, model=2).returncode == 0
    assert instances(aws) == 1
    assert run("destroy", "-auto-approve", model=2).returncode == 0
    assert aws.calls.count("delete_endpoint_config") == 1
