"""AWS's limits of time, each a second or two here: what happens when one has passed.

How long they really are: `tests/unit/local/test_limits.py`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.contract.local.conftest import Aws, control
from tests.contract.local.lambdas import role_named, zipped
from tests.contract.local.releases import Releases
from tests.contract.local.shop import Deployed, described
from tests.contract.local.test_endpoint_options import endpoint
from tests.contract.local.workload import Jobs, program, wait_until

QUICKLY = """
from kennel.local.aws.apis import integrations
from kennel.local.aws.jobs import training
from kennel.local.aws.lambdas import sandbox
from kennel.local.aws.serving import instance, invocations
instance.ANSWER_SECONDS = invocations.SECONDS = 5.0
integrations.SECONDS = 1.0
sandbox.INIT_SECONDS = 2.0
training.GRACE = 1.0
"""
LATE = """
import os, time
with open(os.environ["NOTES"], "a") as notes:
    notes.write("loading\\n")
time.sleep(3)

def handle(event, context):
    return "loaded"
"""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with control(tmp_path_factory.mktemp("aws"), patch=QUICKLY) as started:
        yield started


def test_a_container_that_takes_too_long_is_the_models_error_without_a_status(
    aws: Aws, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights").touch()
    endpoint(Releases(aws, tmp_path / "model"), tmp_path, "late")
    runtime = aws.client("sagemaker-runtime")
    assert runtime.invoke_endpoint(EndpointName="late", Body=b"0")["Body"].read() == b"0"
    with pytest.raises(ClientError) as raised:
        runtime.invoke_endpoint(EndpointName="late", Body=b"30")
    answer = raised.value.response
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["OriginalStatusCode"] == 0
    assert "timed out" in answer["OriginalMessage"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424


@pytest.mark.parametrize(("timeout", "loaded"), [(60, True), (1, False)])
def test_a_handler_that_loads_too_long_is_loaded_anew_within_the_call(
    aws: Aws, tmp_path: Path, timeout: int, *, loaded: bool
) -> None:
    lambda_, name = aws.client("lambda"), f"late-{timeout}"
    lambda_.create_function(
        FunctionName=name,
        Role=role_named(aws, name),
        Runtime="python3.12",
        Handler="code.handle",
        Code={"ZipFile": zipped(code=LATE)},
        Timeout=timeout,
        Environment={"Variables": {"NOTES": str(tmp_path / "notes")}},
    )
    told: Any = json.loads(lambda_.invoke(FunctionName=name)["Payload"].read())
    assert told == "loaded" if loaded else told["errorType"] == "Sandbox.Timedout"
    assert (tmp_path / "notes").read_text() == "loading\nloading\n"


def test_an_integration_has_the_gateways_time_where_it_names_none(aws: Aws) -> None:
    shop = Deployed(aws, role_named(aws, "shop"))
    document = described(shop.function)
    slow = json.loads(json.dumps(document["paths"]["/slow"]))
    del slow["get"]["x-amazon-apigateway-integration"]["timeoutInMillis"]
    document["paths"]["/slow"] = slow
    shop.put(document)
    shop.patch_stage({"/deploymentId": shop.deploy()})
    answer = shop.call("GET", "/slow")
    assert (answer.status_code, answer.json()) == (504, {"message": "Endpoint request timed out"})


def test_a_job_that_is_deaf_to_sigterm_is_killed(aws: Aws, tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    deaf = f"""
        signal.signal(signal.SIGTERM, lambda *_: print("told", flush=True))
        Path("{noted}.new").write_text(str(os.getpid()))
        os.rename("{noted}.new", "{noted}")
        while True:
            time.sleep(0.1)
    """
    jobs = Jobs(aws)
    name = jobs.start(program(tmp_path, deaf))
    wait_until(noted.exists)
    process = psutil.Process(int(noted.read_text()))
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.until(name, "Stopped")
    assert "told" in jobs.logged(name)
    assert not process.is_running()
