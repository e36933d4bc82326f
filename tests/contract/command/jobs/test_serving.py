"""What serves, where the records say something else: an emulated account's endpoint is asked."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from kennel.deployments import Deployment
from tests.contract.command.jobs.conftest import PREFIX, Account
from tests.contract.local.releases import Releases, packed

IMAGE = "serve"


@pytest.fixture(scope="module")
def releases(account: Account, trained: Path) -> Releases:
    return Releases(account.aws, trained / "model")


@pytest.fixture(scope="module")
def killed(releases: Releases) -> None:
    """Releases 1 and 2: the first is recorded, the second serves."""
    sagemaker, artifacts = releases.sagemaker, [releases.artifact() for _ in range(2)]
    sagemaker.create_model_package_group(ModelPackageGroupName=PREFIX)
    for data in artifacts:
        sagemaker.create_model_package(
            ModelPackageGroupName=PREFIX,
            ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [{"Image": IMAGE, "ModelDataUrl": data}],
                "SupportedContentTypes": ["image/jpeg"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            CustomerMetadataProperties={"release": f"{data}.json"},
        )
    record = asdict(Deployment(1, IMAGE, artifacts[0], "deploy", "serving"))
    releases.s3.put_object(
        Bucket=f"{PREFIX}-models", Key="deployments/2026-01-01.json", Body=json.dumps(record)
    )
    config = releases.config(data=artifacts[1])
    sagemaker.create_endpoint(EndpointName=PREFIX, EndpointConfigName=config)
    assert releases.settled(PREFIX)["EndpointStatus"] == "InService"


def serving(account: Account) -> list[int]:
    found: list[dict[str, Any]] = account.json("models", "list")["releases"]
    return [each["release"] for each in found if each["serving"]]


@pytest.mark.usefixtures("killed")
def test_the_list_and_the_way_back_go_by_what_the_endpoint_runs(account: Account) -> None:
    assert serving(account) == [2]
    done = account.kennel("rollback", "--dry-run", "--json")
    plan = json.loads(done.stdout)
    assert (plan["release"], plan["instead_of"]) == (1, 2)
    assert "the records say that release 1 serves, but the endpoint runs release 2" in done.stderr


@pytest.mark.usefixtures("killed")
def test_a_release_that_sagemaker_rolled_back_does_not_serve(
    account: Account, releases: Releases
) -> None:
    damaged = releases.artifact(packed(releases.model, **{"model.safetensors": b"damaged"}))
    releases.sagemaker.update_endpoint(
        EndpointName=PREFIX, EndpointConfigName=releases.config(data=damaged)
    )
    assert serving(account) == [2]
    assert "FailureReason" in releases.settled(PREFIX)
    assert serving(account) == [2]
