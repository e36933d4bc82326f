"""Terraform and SageMaker as a deployment meets them: refusals, waits, and what really serves."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kennel import aws, deploy, models, stack
from kennel.deployments import Deployment, History
from kennel.errors import Failed, UserError
from kennel.local.account import Account
from kennel.outputs import Outputs
from kennel.registry import Release
from kennel.rollback import before

LIMIT = "api error ResourceLimitExceeded: 'ml.c6i.xlarge for endpoint usage' is 0 Instances"
REFUSING = f'import sys; print("planning"); sys.exit("{LIMIT}" if "apply" in sys.argv else 0)\n'
PLATFORM = Outputs("platform", {"prefix": "dogs", "region": "eu-west-1"})
VALUES = {"image": "image@2", "model_data": "s3://models/2"}


class Endpoint:
    """SageMaker with one endpoint, that has these states one after the other, the last for ever."""

    def __init__(self, *states: str, release: int = 1) -> None:
        self.states, self.release = list(states), release
        self.looks = 0

    def describe_endpoint(self, **_: str) -> dict[str, Any]:
        self.looks += 1
        if not self.states:
            error = {"Code": "ValidationException", "Message": 'Could not find endpoint "arn".'}
            raise ClientError({"Error": error}, "DescribeEndpoint")
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"EndpointStatus": state, "EndpointConfigName": "config"}

    def describe_endpoint_config(self, **_: str) -> dict[str, Any]:
        return {"ProductionVariants": [{"ModelName": "model"}]}

    def describe_model(self, **_: str) -> dict[str, Any]:
        data = f"s3://models/{self.release}"
        return {"PrimaryContainer": {"Image": f"image@{self.release}", "ModelDataUrl": data}}

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(aws, "client", lambda *_: self)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/usr/bin/env python3\n{text}")
    path.chmod(0o755)
    return path


# Terraform ---------------------------------------------------------------------------------------


def test_a_quota_that_is_too_small_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path / "stack.py", REFUSING)
    (tmp_path / "service").mkdir()
    monkeypatch.setattr(stack, "TERRAFORM", tmp_path)
    monkeypatch.setattr(stack, "FUNCTION_ZIP", tmp_path)
    monkeypatch.setenv("KENNEL_TERRAFORM", "terraform")
    with pytest.raises(Failed, match=r"terraform apply.*ResourceLimitExceeded: `kennel doctor`"):
        stack.apply("dev", VALUES)
    said = capfd.readouterr()
    assert LIMIT in said.err, "its own words are shown as well"
    assert said.out == ""


def test_other_words_get_no_remedy() -> None:
    assert stack.remedy("Error: Invalid value for variable") == ""
    assert "`kennel doctor`" in stack.remedy(LIMIT)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A local account whose Terraform ends as the one of REFUSING."""
    place = tmp_path / "tree/terraform/service"
    (place / ".terraform").mkdir(parents=True)
    (place / "local.tfvars.json").write_text(json.dumps({"prefix": "dogs"}))
    running = {"address": "http://127.0.0.1:1", "region": "eu-west-1", "api": ""}
    monkeypatch.setattr(Account, "running", lambda _: running)
    monkeypatch.setattr("kennel.local.release.instances", lambda *_: 1)
    terraform = program(tmp_path / "terraform", REFUSING)
    monkeypatch.setenv("KENNEL_TERRAFORM", str(terraform))
    monkeypatch.setenv("KENNEL_OUTPUTS", str(tmp_path / "outputs.json"))
    return tmp_path


def test_terraforms_refusal_on_local_aws_is_a_failure_that_goes_back(home: Path) -> None:
    with pytest.raises(Failed, match="terraform apply of service failed") as caught:
        stack.apply("local", VALUES)
    assert str(home / "terraform.log") in str(caught.value)
    assert "`kennel doctor`" in str(caught.value)


def test_what_is_wrong_before_terraform_begins_is_no_failed_deployment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Account, "running", lambda _: None)
    with pytest.raises(UserError, match="does not run") as caught:
        stack.apply("local", VALUES)
    assert not isinstance(caught.value, Failed)
    assert not (home / "terraform.log").exists()


def test_a_local_account_that_was_not_chosen_is_no_failed_deployment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KENNEL_OUTPUTS", raising=False)
    with pytest.raises(UserError, match="kennel local env") as caught:
        stack.apply("local", VALUES)
    assert not isinstance(caught.value, Failed)


# The endpoint ------------------------------------------------------------------------------------


def test_an_endpoint_that_rolls_back_gets_time_and_the_wait_is_said_once_a_state(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sagemaker, clock = Endpoint("Updating", "RollingBack", "RollingBack", "InService"), Clock()
    sagemaker.use(monkeypatch)
    stack.settle(PLATFORM, clock=clock, sleep=clock.sleep)
    assert sagemaker.states == ["InService"]
    assert clock.now == 3 * stack.POLL
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[3] for line in lines] == ["Updating:", "RollingBack:"]


def test_the_wait_has_an_end_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    Endpoint("RollingBack").use(monkeypatch)
    clock = Clock()
    with pytest.raises(UserError, match="endpoint dogs is still RollingBack after 10 minutes"):
        stack.settle(PLATFORM, patience=600, clock=clock, sleep=clock.sleep)
    assert clock.now == 605


@pytest.mark.parametrize("states", [[], ["InService"], ["Failed"]])
def test_what_does_not_move_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, states: list[str]
) -> None:
    endpoint = Endpoint(*states)
    endpoint.use(monkeypatch)
    stack.settle(PLATFORM, sleep=lambda _: pytest.fail("it waits"))
    assert endpoint.looks == 1


def test_the_release_before_is_applied_only_when_the_endpoint_is_in_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after SageMaker's own way back: the first apply gives up while it is under way."""
    sagemaker, tried, records = Endpoint("InService"), list[tuple[str, str]](), list[Deployment]()

    def apply(_: str, values: dict[str, Any]) -> None:
        tried.append((values["image"], sagemaker.states[0]))
        if len(tried) == 1:
            sagemaker.states = ["RollingBack", "RollingBack", "InService"]
            raise Failed("`terraform apply` failed")

    class Noting:
        add = records.append

    sagemaker.use(monkeypatch)
    platform = Outputs(
        "platform", PLATFORM.values | {"kms_key_arn": "key", "bucket_names": {"data": "data"}}
    )
    monkeypatch.setattr(stack, "apply", apply)
    monkeypatch.setattr(deploy, "content_of", lambda *_: None)
    monkeypatch.setattr(stack, "POLL", 0)
    with pytest.raises(Failed, match="release 1 serves again"):
        deploy.carry_out(
            deployment(2),
            deployment(1),
            Noting(),  # type: ignore[arg-type]
            lambda wanted: deploy.applied(wanted, platform, "dev"),
        )
    assert tried == [("image@2", "InService"), ("image@1", "InService")]
    assert [each.outcome for each in records] == ["failed"]


# What serves -------------------------------------------------------------------------------------


def deployment(number: int) -> Deployment:
    return Deployment(number, f"image@{number}", f"s3://models/{number}", "deploy", "serving")


def release(number: int) -> Release:
    facts = {"release": f"s3://models/{number}/release.json"}
    return Release(number, "arn", "approved", "", f"image@{number}", f"s3://models/{number}", facts)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Deployment]:
    """The records of releases 1 and 2, of three that there are."""
    records = [replace(deployment(number), at=f"2026-01-0{number}") for number in (1, 2)]

    class Registry:
        def __init__(self, _: Outputs) -> None: ...

        def all(self) -> list[Release]:
            return [release(number) for number in (3, 2, 1)]

    monkeypatch.setattr(deploy, "Registry", Registry)
    monkeypatch.setattr(History, "__init__", lambda *_: None)
    monkeypatch.setattr(History, "all", lambda _: records)
    return records


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("runs", "line", "target"),
    [
        (2, [1, 2], 1),  # as recorded
        (3, [1, 2, 3], 2),  # a deployment was killed before it was recorded
        (9, [1, 2, 0], 2),  # Terraform was applied by hand
    ],
)
def test_a_rollback_goes_to_the_release_before_the_one_that_the_endpoint_runs(
    runs: int,
    line: list[int],
    target: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Endpoint("InService", release=runs).use(monkeypatch)
    found = deploy.line_of_now(PLATFORM, wait=True)
    assert [each.release for each in found] == line
    assert before(found).release == target
    said = capsys.readouterr().err
    assert ("the records say that release 2 serves, but the endpoint runs" in said) == (runs != 2)


@pytest.mark.usefixtures("recorded")
def test_after_a_rollback_that_was_killed_there_is_nothing_before_the_first_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Endpoint("InService", release=1).use(monkeypatch)
    with pytest.raises(UserError, match="release 1 is the first one"):
        before(deploy.line_of_now(PLATFORM, wait=True))


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(("wanted", "runs", "back"), [(3, 3, 2), (2, 2, 2), (3, 2, 2), (1, 3, 3)])
def test_a_deployment_goes_back_to_what_serves_but_not_to_what_never_was_tried(
    wanted: int, runs: int, back: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    Endpoint("InService", release=runs).use(monkeypatch)
    line = deploy.line_of_now(PLATFORM, wait=True)
    found = deploy.way_back(deployment(wanted), line)
    assert found is not None
    assert found.release == back


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("states", [[], ["Creating"], ["Failed"]])
def test_without_an_endpoint_that_serves_the_records_count(
    states: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Endpoint(*states, release=3).use(monkeypatch)
    assert [each.release for each in deploy.line_of_now(PLATFORM, wait=False)] == [1, 2]
    assert models.serving(PLATFORM, []) == 2


@pytest.mark.usefixtures("recorded")
def test_a_dry_run_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    Endpoint("Updating").use(monkeypatch)
    monkeypatch.setattr(stack, "settle", lambda _: pytest.fail("it waits"))
    assert [each.release for each in deploy.line_of_now(PLATFORM, wait=False)] == [1]


@pytest.mark.usefixtures("recorded")
def test_the_list_shows_the_release_that_the_endpoint_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    releases = [release(number) for number in (3, 2, 1)]
    Endpoint("InService", release=3).use(monkeypatch)
    assert models.serving(PLATFORM, releases) == 3
    Endpoint("InService", release=9).use(monkeypatch)
    assert models.serving(PLATFORM, releases) is None


def test_what_was_applied_without_records_is_gone_back_to(
    recorded: list[Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.clear()
    Endpoint("InService", release=9).use(monkeypatch)
    [found] = deploy.line_of_now(PLATFORM, wait=True)
    assert (found.release, found.what) == (0, ("image@9", "s3://models/9"))
