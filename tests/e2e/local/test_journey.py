"""From nothing to a guarded release, as a person goes: `kennel local`, Terraform, the AWS CLI; then
the notebook, a wrong release, a batch.

One account for the module, with AWS's waits 60 times as fast; the tests tell its life in order. A
second release and a rollback are in test_documents.py, with containers.
"""

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from kennel.errors import UserError
from kennel.local.job import job_request
from tests.conftest import ROOT, free_port, listening
from tests.contract.local.releases import packed
from tests.e2e.local.life import Life, Seen, callers, named, predict, wait_for
from tests.e2e.local.provider import provider
from tests.e2e.local.workspace import Workspace, code_of, run_alone

pytestmark = pytest.mark.long
NOTEBOOK = ROOT / "notebooks/train_and_deploy.ipynb"
SCALING = {"max_instances": 2, "concurrent_requests": 1}
# A minute of the alarms is a second here, in which one slow answer of a busy machine would ring.
PATIENT = {"latency_ms": 60_000}


@pytest.fixture(scope="module")
def life(terraform: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    life = Life(tmp_path_factory.mktemp("workspace") / ".kennel/local")
    life.home.parent.mkdir()
    values = life.home.parent / "values.json"
    values.write_text(json.dumps({"scaling": SCALING, "rollback": PATIENT}))
    port = str(free_port())
    build = life.home / "tree/build"
    with (
        pytest.MonkeyPatch.context() as patch,
        provider(terraform, f"http://127.0.0.1:{port}", build) as attached,
    ):
        for name, value in {"KENNEL_TERRAFORM": terraform, **attached}.items():
            patch.setenv(name, value)
        try:
            options = ("--port", port, "--speed", "60", "--classes", "2", "--values", str(values))
            done = life.run("up", *options)
            life.answer, life.told = json.loads(done.stdout), done.stderr
            yield life
        finally:
            life.kennel("down")


@pytest.fixture(scope="module")
def model(life: Life) -> Path:
    """The files of the first release."""
    [folder] = (life.account.state / "artifacts").iterdir()
    return folder


def test_from_nothing_to_an_answer_on_loopback_alone(life: Life) -> None:
    assert life.answer["predictions"]
    assert life.answer["model"]["name"] == "local"
    running = life.account.running()
    assert running is not None
    assert listening(running["pid"]) == {"127.0.0.1"}


def test_the_aws_cli_sees_what_terraform_made_and_asks_the_model(
    life: Life, tmp_path: Path
) -> None:
    answer = tmp_path / "answer.json"
    told = life.shell(
        "aws sagemaker describe-endpoint --endpoint-name kennel-local --output json && "
        "aws sagemaker-runtime invoke-endpoint --endpoint-name kennel-local "
        '--content-type image/jpeg --body "fileb://$1" "$2" >&2',
        life.answer["picture"],
        str(answer),
    )
    assert json.loads(told)["EndpointStatus"] == "InService"
    assert json.loads(answer.read_text())["model"] == life.answer["model"]
    shown = json.loads(life.kennel("status", "--json"))
    assert [each["name"] for each in shown["endpoints"]] == ["kennel-local"]


def test_up_prints_where_it_answers_and_how_to_ask(life: Life) -> None:
    running = life.account.running()
    assert running is not None
    assert f"all services at {running['address']}\n" in life.told
    [asked] = [line for line in life.told.splitlines() if line.strip().startswith("curl ")]
    code = " --silent --noproxy '*' --write-out ' %{http_code}'"
    answer, _, status = life.shell(asked + code).rpartition(" ")
    assert status == "200", answer
    assert json.loads(answer)["predictions"] == life.answer["predictions"]
    table = life.kennel("status")
    assert table.startswith(f"{running['address']} (process {running['pid']})\n")
    assert table.splitlines()[-1].split()[:4] == ["kennel-local", "InService", "live", "1"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("control", "==> "),
        ("terraform", "Apply complete!"),
        ("kennel-local-live", "==> "),
    ],
)
def test_logs_shows_those_that_a_name_is_in(life: Life, name: str, line: str) -> None:
    told = life.kennel("logs", name, "--lines", "1000")
    heads = [each for each in told.splitlines() if each.startswith("==> ")]
    assert heads
    assert all(name in Path(each.split()[1]).name for each in heads)
    assert line in told


def test_a_second_apply_changes_nothing(life: Life) -> None:
    assert not life.stack.changes("platform")
    assert not life.stack.changes("service")


def test_nor_does_a_second_up(life: Life) -> None:
    before, servers = life.endpoint(), life.servers()
    assert servers
    again = json.loads(life.kennel("up"))
    assert again["predictions"] == life.answer["predictions"]
    assert life.endpoint()["EndpointConfigName"] == before["EndpointConfigName"]
    assert life.servers() == servers
    [_] = life.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]


def test_the_aws_cli_starts_a_training_job_and_waits_for_it(life: Life, tmp_path: Path) -> None:
    sagemaker = life.client("sagemaker")
    [first] = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    done = sagemaker.describe_training_job(TrainingJobName=first["TrainingJobName"])
    request = job_request(
        "by-the-cli",
        done["AlgorithmSpecification"]["TrainingImage"],
        done["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"],
        life.outputs_of("platform")["training_job"],
    )
    request["HyperParameters"] = done["HyperParameters"] | {"epochs": "1"}
    (tmp_path / "job.json").write_text(json.dumps(request))
    asked = 'aws sagemaker create-training-job --cli-input-json "file://$1" --output json'
    told = json.loads(life.shell(asked, str(tmp_path / "job.json")))
    assert told["TrainingJobArn"].endswith(":training-job/by-the-cli")
    one = {"TrainingJobName": "by-the-cli"}
    deadline = time.monotonic() + 300  # the CLI itself looks every two minutes only
    while sagemaker.describe_training_job(**one)["TrainingJobStatus"] == "InProgress":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    life.shell(
        "aws sagemaker wait training-job-completed-or-stopped --training-job-name by-the-cli"
    )
    job = sagemaker.describe_training_job(**one)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")


def test_a_new_release_rolls_over_under_load_without_a_failed_request(
    life: Life, model: Path
) -> None:
    before = life.endpoint()["EndpointConfigName"]
    with callers(life, 1, pause=0.05) as seen:
        life.stack.apply("service", life.release(named(model, "second"), "second"))
        time.sleep(1)
    assert seen.failures == []
    assert set(seen.names) == {"local", "second"}
    assert life.endpoint()["EndpointConfigName"] != before
    assert not life.stack.changes("service")


@pytest.fixture(scope="module")
def good(life: Life) -> dict[str, Any]:
    """The values of the release that serves, before worse ones are tried."""
    path = life.home / "tree/terraform/service/local.tfvars.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def settled(life: Life) -> dict[str, Any]:
    """The endpoint once it is where it was to be: a way back can outlast the apply."""
    deadline = time.monotonic() + 300
    while (endpoint := life.endpoint())["EndpointStatus"] == "RollingBack":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return endpoint


def rolled_back(life: Life, values: dict[str, Any]) -> Seen:
    """Apply a release that must not stay: what callers got meanwhile."""
    before = life.endpoint()["EndpointConfigName"]
    with callers(life, 2, pause=0.03) as seen, pytest.raises(UserError) as raised:
        life.stack.apply("service", values)
    # By the module, or by the provider where it has asked while SageMaker was on its way back.
    said = str(raised.value)
    assert "SageMaker rolled this release back" in said or "'RollingBack'" in said, said
    endpoint = settled(life)
    assert (endpoint["EndpointConfigName"], endpoint["EndpointStatus"]) == (before, "InService")
    assert set(seen.names) == {"second"}
    return seen


def test_a_model_that_fails_its_checksum_rolls_back_and_the_apply_says_so(
    life: Life, good: dict[str, Any], model: Path
) -> None:
    damaged = packed(model, **{"model.safetensors": b"damaged"})
    seen = rolled_back(life, good | life.release(damaged, "damaged"))
    assert seen.failures == []
    reason = life.endpoint()["FailureReason"]
    assert "did not pass the ping health check" in reason
    assert "model.safetensors" in reason


def test_so_does_a_container_that_dies(life: Life, good: dict[str, Any]) -> None:
    seen = rolled_back(life, good | {"environment": {"KENNEL_HANDLER": "nowhere"}})
    assert seen.failures == []
    assert "It ended with exit code" in life.endpoint()["FailureReason"]


def test_so_does_a_release_that_answers_5xx_above_the_alarm(
    life: Life, good: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "failing.py").write_text("def input_fn(body, content_type): raise RuntimeError\n")
    handler = {"KENNEL_HANDLER": "failing", "PYTHONPATH": str(tmp_path)}
    seen = rolled_back(life, good | {"environment": handler})
    assert seen.failures
    assert len(seen.failures) < seen.names["second"]  # it had a tenth of the traffic, for a while
    assert "kennel-local-rollback-errors" in life.endpoint()["FailureReason"]
    with callers(life, 2, pause=0.03) as seen:
        time.sleep(2)
    assert seen.failures == []


def test_the_release_before_can_be_applied_again(life: Life, good: dict[str, Any]) -> None:
    life.stack.apply("service", good)
    assert "FailureReason" not in life.endpoint()
    assert not life.stack.changes("service")


def test_load_grows_the_fleet_to_its_limit_and_silence_shrinks_it(life: Life) -> None:
    with callers(life, 4) as seen:
        wait_for(life, 2)
    assert seen.failures == []
    wait_for(life, 1)
    assert not life.stack.changes("service")


def test_a_restart_brings_everything_back(life: Life) -> None:
    picture = Path(life.answer["picture"]).read_bytes()
    life.kennel("down", "--keep")
    assert json.loads(life.kennel("status", "--json"))["address"] is None
    life.kennel("up", "--bare")
    deadline = time.monotonic() + 300
    while life.endpoint()["EndpointStatus"] != "InService":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    answer = predict(life, picture)
    assert answer.json()["model"]["name"] == "second", answer.text
    assert not life.stack.changes("platform")
    assert not life.stack.changes("service")


@pytest.fixture(scope="module")
def workspace(life: Life) -> Workspace:
    """What the notebook leaves, run where the account lives: a release, which serves."""
    home = life.home.parents[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    found = Workspace(home, kept | {"PATH": path, "COLUMNS": "200"})
    (home / "notebook.py").write_text(code_of(NOTEBOOK))
    found.output = run_alone([sys.executable, "notebook.py"], home, found.environment)
    for line in found.kennel("local", "env").stdout.splitlines():
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            found.environment[name] = shlex.split(value)[0]
    return found


def test_the_notebook_ends_with_a_release_that_serves(workspace: Workspace) -> None:
    assert "test pictures through the API, all answered as after training" in workspace.output
    assert workspace.serving() == [1]
    assert "release 1 is the first one" in workspace.kennel("rollback", code=1).stderr


def test_a_release_that_answers_wrongly_never_stays(workspace: Workspace) -> None:
    """Its model is another than it says: Terraform finds nothing wrong with it."""
    first, store = workspace.json("models", "show", "1"), workspace.client("s3")
    bucket, _, key = first["facts"]["release"].removeprefix("s3://").partition("/")
    content = json.loads(store.get_object(Bucket=bucket, Key=key)["Body"].read())
    content["manifest"]["version"] = "0" * 12
    # In another image: the same two would be the same release.
    image = f"{first['image'].partition('@')[0]}@sha256:{'3d37' * 16}"
    store.put_object(Bucket=bucket, Key=f"wrong/{key}", Body=json.dumps(content).encode())
    answer = workspace.client("sagemaker").create_model_package(
        ModelPackageGroupName="kennel-local",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [{"Image": image, "ModelDataUrl": first["model_data"]}],
            "SupportedContentTypes": ["image/jpeg"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        CustomerMetadataProperties=first["facts"] | {"release": f"s3://{bucket}/wrong/{key}"},
    )
    number = answer["ModelPackageArn"].rpartition("/")[2]
    failed = workspace.kennel("deploy", number, code=3)
    assert f"release {number} failed: the API serves model version" in failed.stderr
    assert "release 1 serves again" in failed.stderr
    assert workspace.serving() == [1]


def test_every_good_picture_of_a_prefix_is_classified_and_bad_ones_are_named(
    workspace: Workspace,
) -> None:
    store, bucket = workspace.client("s3"), "kennel-local-data-123456789012"
    for name, content in {"0.jpg": b"no picture", "1.jpg": b"\xff\xd8\xff\xe0 half"}.items():
        store.put_object(Bucket=bucket, Key=f"notebook/test/bad/{name}", Body=content)
    failed = workspace.kennel("batch", "notebook/test", "--json", code=3)
    results = json.loads(failed.stdout)["results"]
    assert len(results) == 42
    assert all(each["picture"].startswith(f"s3://{bucket}/notebook/test/") for each in results)
    unanswered = [each["picture"] for each in results if each["label"] is None]
    assert [each.rpartition("test/")[2] for each in unanswered] == ["bad/0.jpg", "bad/1.jpg"]
    assert f"{bucket}/notebook/test/bad/0.jpg: ClientError: 415" in failed.stderr
    assert f"no answer to 2 of 42, s3://{bucket}/notebook/test/bad/0.jpg first" in failed.stderr


def test_down_leaves_no_process_and_no_file(life: Life) -> None:
    running = life.account.running()
    assert running is not None
    descendants = psutil.Process(running["pid"]).children(recursive=True)
    assert descendants
    life.kennel("down")
    assert not life.home.exists()
    assert not any(each.is_running() for each in descendants)
    assert not psutil.pid_exists(running["pid"])
