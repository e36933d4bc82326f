"""Which of EC2's quotas a fleet counts in, and what is said when one is used up."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.loaders import Loader, create_loader

from kennel import aws, doctor, quotas
from kennel.errors import UserError
from kennel.outputs import Outputs
from kennel.runs import fleet

REGION = "eu-west-1"


@pytest.fixture(scope="module")
def loader() -> Loader:
    """Of botocore's descriptions of services: read once for all tests, as that takes its time."""
    return create_loader()


@pytest.fixture
def account(moto: Callable[..., Any], loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    assert moto
    monkeypatch.setattr("botocore.session.create_loader", lambda _: loader)
    quotas.vcpus.cache_clear()


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("kind", "nodes", "spot", "code", "least"),
    [
        ("g5.xlarge", 2, False, "L-DB2E81BA", 8),
        ("g5.xlarge", 2, True, "L-3819A6DF", 8),
        ("p4d.24xlarge", 2, False, "L-417A185B", 192),
        ("p4d.24xlarge", 1, True, "L-7212CCBC", 96),
        ("c7i.4xlarge", 3, False, "L-1216C47A", 48),
        ("m5.xlarge", 1, True, "L-34B43A08", 4),
    ],
)
def test_a_fleet_counts_vcpus_in_the_quota_of_its_family(
    kind: str, nodes: int, code: str, least: float, *, spot: bool
) -> None:
    wanted = quotas.of_fleet(kind, nodes, REGION, spot=spot)
    assert (wanted.code, wanted.least) == (code, least)


@pytest.mark.parametrize("kind", ["x2idn.16xlarge", "inf2.xlarge", "trn1.2xlarge", "dl1.24xlarge"])
def test_a_family_with_a_quota_of_its_own_is_not_taken_for_another(kind: str) -> None:
    with pytest.raises(UserError, match="a quota of its own"):
        quotas.of_fleet(kind, 1, REGION, spot=False)


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What the account may have, in place of Service Quotas."""
    found = {"L-417A185B": 96.0}
    monkeypatch.setattr(quotas, "value", lambda wanted, _: (wanted.code, found.get(wanted.code, 0)))
    return found


@pytest.mark.usefixtures("account", "allowed")
def test_the_doctor_looks_for_the_fleet_that_the_platform_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "concurrency", lambda *_: doctor.Finding("lambda", "ok", ""))
    values = {"fleet": {"instance_type": "p4d.24xlarge", "max_count": 2}}
    found = {each.about: each for each in doctor.limits(Outputs("platform", values), None, REGION)}
    assert found["ec2"].state == "warning"
    assert found["ec2"].what == "Running On-Demand P instances (vCPU): 96, 192 needed"
    assert "--quota-code L-417A185B --desired-value 192`" in found["ec2"].remedy
    assert found["ec2 spot"].what.endswith("0, 192 needed")


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("spot", [True, False])
def test_a_fleet_that_a_quota_stops_names_it(*, spot: bool) -> None:
    asked: dict[str, Any] = {"MaxCount": 2}
    asked |= {"InstanceMarketOptions": {}} if spot else {"InstanceType": "c7i.4xlarge"}
    answer = {"Error": {"Code": "VcpuLimitExceeded", "Message": "so it is"}}
    error = ClientError(answer, "RunInstances")
    said = str(fleet.of_quota(error, asked, {"instance_type": "g5.xlarge"}, REGION))
    kind, code = ("g5.xlarge count 8", "L-3819A6DF") if spot else ("c7i.4xlarge count 32", "L-1216")
    assert "so it is (VcpuLimitExceeded): `kennel doctor`" in said
    assert f"2 x {kind} in the quota" in said
    assert f"--quota-code {code}" in said


def test_other_refusals_are_left_as_they_are() -> None:
    error = ClientError({"Error": {"Code": "UnauthorizedOperation"}}, "RunInstances")
    assert fleet.of_quota(error, {"MaxCount": 1}, {"instance_type": "g5.xlarge"}, REGION) is None


# Lambda ------------------------------------------------------------------------------------------


def executions(monkeypatch: pytest.MonkeyPatch, total: int, free: int) -> doctor.Finding:
    class Lambda:
        def get_account_settings(self) -> dict[str, Any]:
            limit = {"ConcurrentExecutions": total, "UnreservedConcurrentExecutions": free}
            return {"AccountLimit": limit}

    monkeypatch.setattr(aws, "client", lambda *_: Lambda())
    return doctor.concurrency(REGION, 10)


def test_an_account_with_few_executions_cannot_reserve_those_of_the_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = executions(monkeypatch, 10, 10)
    assert found.state == "warning"
    assert found.what.startswith("10 concurrent executions, 10 not reserved; the function reserves")
    assert "--service-code lambda --quota-code L-B99A9384 --desired-value 110`" in found.remedy


def test_what_other_functions_reserve_is_not_there_for_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = executions(monkeypatch, 1000, 105)
    assert "--desired-value 1005`" in found.remedy


def test_one_with_enough_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    found = executions(monkeypatch, 110, 110)
    assert (found.state, found.remedy) == ("ok", "")


def test_an_update_runs_two_fleets_of_what_serves_now(monkeypatch: pytest.MonkeyPatch) -> None:
    class SageMaker:
        def describe_endpoint(self, **_: Any) -> dict[str, Any]:
            variants = [{"DesiredInstanceCount": 3}]
            return {"EndpointConfigName": "config", "ProductionVariants": variants}

        def describe_endpoint_config(self, **_: Any) -> dict[str, Any]:
            return {"ProductionVariants": [{"InstanceType": "ml.m5.large"}]}

    monkeypatch.setattr(aws, "client", lambda *_: SageMaker())
    served = doctor.serving(Outputs("service", {"endpoint_name": "dogs"}), REGION)
    assert served == ("ml.m5.large", 3)
    assert quotas.needed({}, *served)[0].least == 6


def test_a_lambda_that_does_not_answer_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://lambda")

    monkeypatch.setattr(aws, "client", lost)
    found = doctor.told("lambda", lambda: doctor.concurrency(REGION, 10), doctor.WARNING)
    assert found.state == "warning"
    assert "https://lambda" in found.what
