"""What cuts a deployment or a rollback short: a kill, a locked state, an image that is gone."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from kennel import deploy, outputs, smoke, stack, which_image
from kennel.deploy import carry_out
from kennel.deployments import Deployment, ending_in, line_of
from kennel.errors import Failed, UserError
from kennel.outputs import Outputs
from kennel.rollback import way

REGION = "eu-west-1"
REPOSITORY = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/dogs/serve"
LOCKED = """\
print('''│ Error: Error acquiring the state lock
│
│ Error message: operation error S3: PutObject, StatusCode: 412
│ Lock Info:
│   ID:        8a1c-77
│   Path:      dogs-state/dogs/service.tfstate
│   Who:       ci@runner
│   Created:   2026-11-21 21:00:00 UTC''', file=sys.stderr)
sys.exit(1)
"""


def deployment(number: int, **more: Any) -> Deployment:
    made = Deployment(number, f"image@{number}", f"s3://models/{number}", "deploy", "serving")
    return replace(made, **more)


@dataclass
class Stand:
    """The stack: what serves, what was recorded, and whether the next apply is killed after it."""

    records: list[Deployment]
    serves: Deployment = field(default_factory=lambda: deployment(3))
    killed: bool = True

    def add(self, record: Deployment) -> None:
        self.records.append(record)

    def put(self, wanted: Deployment) -> int:
        self.serves = wanted
        if self.killed:
            raise KeyboardInterrupt
        return 8

    def roll_back(self) -> None:
        line = ending_in(self.serves, line_of(self.records))
        target, present = way(line, self.records)
        carry_out(target, present, self, self.put)  # type: ignore[arg-type]


def stand() -> Stand:
    return Stand([deployment(number) for number in (1, 2, 3)])


def test_a_rollback_that_was_killed_goes_where_it_went_when_it_is_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = stand()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            found.roll_back()
        assert (found.serves.release, found.records[-1].outcome) == (2, "begun")
    found.killed = False
    found.roll_back()
    assert found.serves.release == 2
    assert "going on with the rollback to release 2" in capsys.readouterr().err
    assert [each.release for each in line_of(found.records)] == [1, 2]
    found.roll_back()
    assert found.serves.release == 1, "one that has ended is not repeated"


def test_one_that_was_killed_before_it_had_changed_anything_does_too() -> None:
    found = stand()
    found.records.append(deployment(2, kind="rollback", outcome="begun"))
    target, present = way(line_of(found.records), found.records)
    assert (target.release, target.outcome, present.release) == (2, "serving", 3)


def test_a_failed_one_or_one_that_was_overtaken_is_not_gone_on_with() -> None:
    begun = deployment(2, kind="rollback", outcome="begun")
    before = [deployment(number) for number in (1, 2, 3)]
    for records, serves, target in (
        ([*before, begun, replace(begun, outcome="failed")], 3, 2),
        ([*before, begun, deployment(4)], 4, 3),
        ([*before, begun], 4, 3),  # which was applied by hand
    ):
        line = ending_in(deployment(serves), line_of(records))
        assert way(line, records)[0].release == target


# A state that is locked --------------------------------------------------------------------------


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A tree whose Terraform finds the state locked."""
    (tmp_path / "stack.py").write_text(f"import sys\n{LOCKED}")
    (tmp_path / "service").mkdir()
    monkeypatch.setattr(stack, "TERRAFORM", tmp_path)
    monkeypatch.setattr(stack, "FUNCTION_ZIP", tmp_path)
    monkeypatch.setenv("KENNEL_TERRAFORM", "terraform")
    return tmp_path


def test_a_locked_state_is_no_failed_deployment_and_says_how_it_is_freed(locked: Path) -> None:
    with pytest.raises(UserError, match="nothing was changed") as caught:
        stack.apply("dev", {"image": "image@2"})
    assert not isinstance(caught.value, Failed), "which would go back, and meet the same lock"
    said = str(caught.value)
    assert "lock 8a1c-77, by ci@runner, since 2026-11-21 21:00:00 UTC" in said
    assert f"terraform -chdir={locked}/service force-unlock 8a1c-77`" in said


@pytest.mark.usefixtures("locked")
def test_a_lock_in_the_way_back_is_named_beside_what_has_failed() -> None:
    def put(wanted: Deployment) -> int:
        if wanted.release == 2:
            raise Failed("`terraform apply` of service for dev failed")
        stack.apply("dev", {"image": wanted.image})
        return 0

    records = list[Deployment]()
    found = Stand(records)
    with pytest.raises(
        Failed, match=r"release 2 failed: .*going back to release 1 failed too"
    ) as e:
        carry_out(deployment(2), deployment(1), found, put)  # type: ignore[arg-type]
    assert "force-unlock 8a1c-77`" in str(e.value)
    assert [each.outcome for each in records] == ["failed"]


# An image that is gone ---------------------------------------------------------------------------


@pytest.fixture
def image(moto: Callable[..., Any]) -> str:
    """One that ECR has."""
    ecr = moto("ecr", REGION)
    ecr.create_repository(repositoryName="dogs/serve")
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    content = {"schemaVersion": 2, "mediaType": kind, "config": {}, "layers": []}
    manifest = json.dumps(content)
    answer = ecr.put_image(repositoryName="dogs/serve", imageManifest=manifest, imageTag="one")
    return f"{REPOSITORY}@{answer['image']['imageId']['imageDigest']}"


def test_an_image_that_ecr_does_not_have_is_named(image: str) -> None:
    which_image.check(image, "dev")
    for gone in (f"{REPOSITORY}@sha256:{'0' * 64}", image.replace("dogs/serve", "dogs/none")):
        with pytest.raises(UserError, match=f"ECR has no image {gone}.*`make build push`"):
            which_image.check(gone, "dev")
        which_image.check(gone, "local")
    which_image.check("somebody/serve:latest", "dev")


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("dry_run", [False, True])
def test_it_is_no_deployment_and_terraform_is_not_run(
    monkeypatch: pytest.MonkeyPatch, *, dry_run: bool
) -> None:
    monkeypatch.setattr(stack, "apply", lambda *_: pytest.fail("it is applied"))
    platform = Outputs("platform", {"region": REGION, "prefix": "dogs"})
    wanted = deployment(2, image=f"{REPOSITORY}@sha256:{'0' * 64}")
    with pytest.raises(UserError, match="ECR has no image") as caught:
        deploy.go(wanted, None, platform, "dev", as_json=False, dry_run=dry_run)
    assert caught.value.exit_code == 1


# What is said ------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["", "the API says cat"])
def test_nothing_that_a_deployment_says_holds_a_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trouble: str
) -> None:
    """Neither the API's key, which the outputs hold, nor the credentials."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-mine")
    service = Outputs("service", {"api_key": "k3y-of-the-api", "predict_url": "http://api"})
    platform = Outputs(
        "platform",
        {"region": REGION, "prefix": "dogs", "kms_key_arn": "key"}
        | {"bucket_names": {"data": "dogs-data", "models": "dogs-models"}},
    )

    def check(*_: Any) -> int:
        if trouble:
            raise Failed(trouble)
        return 8

    class Noting:
        def __init__(self, _: Outputs) -> None: ...

        def add(self, _: Deployment) -> None: ...

    monkeypatch.setattr(outputs, "read", lambda *_: service)
    monkeypatch.setattr(smoke, "check", check)
    monkeypatch.setattr(stack, "settle", lambda _: None)
    monkeypatch.setattr(stack, "apply", lambda *_: None)
    monkeypatch.setattr(deploy, "History", Noting)
    monkeypatch.setattr(deploy, "content_of", lambda *_: {"examples": ["one"]})
    monkeypatch.setattr(deploy, "cost", lambda _: "2 x ml.c6i.xlarge serve")
    try:
        deploy.go(deployment(2), deployment(1), platform, "dev", as_json=True, dry_run=False)
    except Failed as error:
        print(error)
    told = capsys.readouterr()
    said = told.out + told.err
    assert trouble in said
    assert "release 2" in said
    assert "k3y-of-the-api" not in said
    assert "a-secret-of-mine" not in said
