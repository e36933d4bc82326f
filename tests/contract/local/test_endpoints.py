"""Endpoints of the emulated account, by boto3, with the real server behind them."""

import json
import re
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.local.conftest import Aws, control
from tests.contract.local.releases import Releases, load, packed
from tests.contract.local.test_endpoint_options import SLOW
from tests.contract.local.workload import program

CANARY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            "WaitIntervalInSeconds": 120,
        },
        "TerminationWaitInSeconds": 60,
        "MaximumExecutionTimeoutInSeconds": 3600,
    }
}
LINEAR = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "LINEAR",
            "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 40},
            "WaitIntervalInSeconds": 60,
        },
        "TerminationWaitInSeconds": 0,
    }
}
MOST = 6_291_456


@pytest.fixture(scope="module")
def releases(aws: Aws, trained: Path) -> Releases:
    return Releases(aws, trained / "model")


@pytest.fixture(scope="module")
def picture(pictures: Path) -> bytes:
    return min(pictures.glob("test/*/*.jpg")).read_bytes()


@pytest.fixture(scope="module")
def live(releases: Releases) -> str:
    """An endpoint in service, which tests leave as they found it."""
    assert releases.endpoint("live")["EndpointStatus"] == "InService"
    return "live"


def refusal(error: ClientError) -> tuple[str, str]:
    return error.response["Error"]["Code"], error.response["Error"]["Message"]


def test_an_endpoint_is_creating_until_its_container_answers(
    aws: Aws, releases: Releases, picture: bytes
) -> None:
    config = releases.config()
    releases.sagemaker.create_endpoint(EndpointName="fresh", EndpointConfigName=config)
    assert releases.describe("fresh")["EndpointStatus"] == "Creating"
    runtime = aws.client("sagemaker-runtime")
    with pytest.raises(ClientError, match="not found"):
        runtime.invoke_endpoint(EndpointName="fresh", Body=picture)
    with pytest.raises(ClientError, match="in-progress"):
        releases.sagemaker.delete_endpoint(EndpointName="fresh")
    assert releases.settled("fresh")["EndpointStatus"] == "InService"
    answer = runtime.invoke_endpoint(
        EndpointName="fresh", Body=picture, ContentType="image/jpeg", CustomAttributes="top=2"
    )
    assert len(json.load(answer["Body"])["predictions"]) == 2
    assert answer["InvokedProductionVariant"] == "live"
    releases.sagemaker.delete_endpoint(EndpointName="fresh")
    with pytest.raises(ClientError, match="Could not find endpoint"):
        releases.settled("fresh")


def test_a_missing_artifact_fails_the_endpoint_with_its_address(releases: Releases) -> None:
    failed = releases.endpoint("nothing", data="s3://releases/no/model.tar.gz")
    assert failed["EndpointStatus"] == "Failed"
    assert "'s3://releases/no/model.tar.gz'" in failed["FailureReason"]
    with pytest.raises(ClientError, match="failed endpoint"):
        releases.sagemaker.update_endpoint(
            EndpointName="nothing", EndpointConfigName=releases.config()
        )


def test_a_models_error_comes_with_its_own_status_and_message(aws: Aws, live: str) -> None:
    with pytest.raises(ClientError) as raised:
        aws.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=live, Body=b"\xff\xd8 no picture", ContentType="image/jpeg"
        )
    answer = raised.value.response
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["OriginalStatusCode"] == 415
    assert json.loads(answer["OriginalMessage"])["error"]["code"]


def test_the_largest_body_reaches_the_model_and_a_byte_more_does_not(aws: Aws, live: str) -> None:
    runtime = aws.client("sagemaker-runtime")
    with pytest.raises(ClientError) as raised:
        runtime.invoke_endpoint(EndpointName=live, Body=bytes(MOST), ContentType="image/jpeg")
    assert raised.value.response["OriginalStatusCode"] in (415, 422)
    with pytest.raises(ClientError) as raised:
        runtime.invoke_endpoint(EndpointName=live, Body=bytes(MOST + 1), ContentType="image/jpeg")
    assert refusal(raised.value)[0] == "ValidationError"


def test_traffic_follows_the_weights_unless_a_variant_is_asked_for(
    aws: Aws, releases: Releases, tmp_path: Path
) -> None:
    shares = ({"VariantName": "most", "InitialVariantWeight": 9}, {"VariantName": "some"})
    releases.endpoint("two", *shares, **program(tmp_path, SLOW, "server"))
    with load(aws, "two", b"0") as seen:
        while sum(seen.answers.values()) < 200:
            time.sleep(0.05)
    assert not seen.errors
    assert 0.82 < seen.answers["most"] / sum(seen.answers.values()) < 0.97  # 3 sigma and more
    runtime = aws.client("sagemaker-runtime")
    chosen = runtime.invoke_endpoint(EndpointName="two", Body=b"0", TargetVariant="some")
    assert chosen["InvokedProductionVariant"] == "some"
    releases.sagemaker.delete_endpoint(EndpointName="two")


@pytest.mark.parametrize(
    ("deployment", "steps"),
    [(CANARY, [50, 100]), (LINEAR, [40, 80, 100])],
    ids=["canary", "linear"],
)
def test_an_update_moves_the_traffic_and_loses_no_request(
    aws: Aws,
    releases: Releases,
    live: str,
    picture: bytes,
    deployment: dict[str, Any],
    steps: list[int],
) -> None:
    new = releases.config()
    with load(aws, live, picture) as seen:
        releases.sagemaker.update_endpoint(
            EndpointName=live, EndpointConfigName=new, DeploymentConfig=deployment
        )
        moving = releases.describe(live)
        assert moving["EndpointStatus"] == "Updating"
        with pytest.raises(ClientError, match="in-progress"):
            releases.sagemaker.update_endpoint(EndpointName=live, EndpointConfigName=new)
        moved = releases.settled(live)
    assert moved["EndpointStatus"] == "InService"
    assert moved["EndpointConfigName"] == new
    assert "FailureReason" not in moved
    assert re.findall(rf"(\d+) % of traffic on {new}\n", aws.log) == list(map(str, steps))
    assert sum(seen.answers.values()) > 20
    assert seen.errors == []


def test_a_container_that_dies_leaves_the_old_release_in_service(
    releases: Releases, live: str
) -> None:
    before = releases.describe(live)["EndpointConfigName"]
    damaged = releases.artifact(packed(releases.model, **{"model.safetensors": b"damaged"}))
    releases.sagemaker.update_endpoint(
        EndpointName=live, EndpointConfigName=releases.config(data=damaged)
    )
    back = releases.settled(live)
    assert back["EndpointStatus"] == "InService"
    assert back["EndpointConfigName"] == before
    assert "did not pass the ping health check" in back["FailureReason"]
    assert "model.safetensors" in back["FailureReason"]  # the end of the container's log


def test_an_alarm_on_the_new_release_ends_the_update(
    aws: Aws, releases: Releases, live: str, picture: bytes, tmp_path: Path
) -> None:
    (tmp_path / "failing.py").write_text("def input_fn(body, content_type): raise RuntimeError\n")
    before = releases.describe(live)["EndpointConfigName"]
    new = releases.config(KENNEL_HANDLER="failing", PYTHONPATH=str(tmp_path))
    releases.alarm("new-fails", live, new)
    guarded = CANARY | {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "new-fails"}]}}
    with load(aws, live, picture) as seen:
        releases.sagemaker.update_endpoint(
            EndpointName=live, EndpointConfigName=new, DeploymentConfig=guarded
        )
        back = releases.settled(live)
    assert back["EndpointConfigName"] == before
    assert "new-fails" in back["FailureReason"]
    assert {error.response["OriginalStatusCode"] for error in seen.errors} == {500}
    alarms = aws.client("cloudwatch").describe_alarms(AlarmNames=["new-fails"])["MetricAlarms"]
    assert alarms[0]["StateValue"] == "ALARM"


def test_an_update_keeps_the_count_if_it_is_asked_to(releases: Releases, tmp_path: Path) -> None:
    small = program(tmp_path, SLOW, "server")
    releases.endpoint("counted", **small)

    def updated(**how: bool) -> int:
        releases.sagemaker.update_endpoint(
            EndpointName="counted", EndpointConfigName=releases.config(**small), **how
        )
        return count()

    def count() -> int:
        return int(releases.settled("counted")["ProductionVariants"][0]["CurrentInstanceCount"])

    wanted = [{"VariantName": "live", "DesiredInstanceCount": 2}]
    releases.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="counted", DesiredWeightsAndCapacities=wanted
    )
    assert count() == 2
    assert updated(RetainAllVariantProperties=True) == 2
    assert updated() == 1
    releases.sagemaker.delete_endpoint(EndpointName="counted")


@pytest.mark.parametrize(
    ("routing", "message"),
    [
        ({"Type": "CANARY", "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 60}}, "CanarySize"),
        ({"Type": "LINEAR", "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 5}}, "Linear"),
    ],
)
def test_a_deployment_outside_the_ranges_is_refused(
    releases: Releases, live: str, routing: dict[str, object], message: str
) -> None:
    config = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {
        "WaitIntervalInSeconds": 0, **routing}}}  # fmt: skip
    with pytest.raises(ClientError, match=message):
        releases.sagemaker.update_endpoint(
            EndpointName=live, EndpointConfigName=releases.config(), DeploymentConfig=config
        )


def test_an_unknown_instance_type_is_refused(releases: Releases) -> None:
    with pytest.raises(ClientError, match="instanceType"):
        releases.config({"InstanceType": "ml.x99.enormous"})


def test_endpoints_and_what_they_are_made_of_survive_a_restart(
    tmp_path: Path, trained: Path, picture: bytes
) -> None:
    with control(tmp_path, "--speed", "60") as aws:
        releases = Releases(aws, trained / "model")
        releases.endpoint("kept")
        releases.sagemaker.add_tags(
            ResourceArn=releases.describe("kept")["EndpointArn"], Tags=[{"Key": "a", "Value": "b"}]
        )
        created = releases.describe("kept")
        key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
    with control(tmp_path, "--speed", "60") as aws:
        sagemaker = aws.client("sagemaker")
        while (now := sagemaker.describe_endpoint(EndpointName="kept"))[
            "EndpointStatus"
        ] != "InService":
            time.sleep(0.1)
        assert now["CreationTime"] == created["CreationTime"]
        assert sagemaker.list_tags(ResourceArn=now["EndpointArn"])["Tags"] == [
            {"Key": "a", "Value": "b"}
        ]
        assert aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyId"] == key
        runtime = aws.client("sagemaker-runtime")
        answer = runtime.invoke_endpoint(EndpointName="kept", Body=picture)
        assert json.load(answer["Body"])["predictions"]


# Says which headers came; an answer as long as it is told to, after as long.
ECHO = """
    import socket
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def do_POST(self):
            asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
            names = sorted(name.lower() for name in self.headers)
            body = bytes(int(asked)) if asked else json.dumps(names).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Own", "1")
            self.send_header("X-Amzn-SageMaker-Custom-Attributes", "told=1")
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=int(os.environ["KENNEL_FD"]))
    print("the container was started", flush=True)
    server.serve_forever()
"""


def test_only_headers_of_the_api_reach_the_container_and_the_caller(
    aws: Aws, releases: Releases, tmp_path: Path
) -> None:
    releases.endpoint("echo", **program(tmp_path, ECHO, "server"))
    answer = aws.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="echo", Body=b"", Accept="text/plain", CustomAttributes="a", InferenceId="b"
    )
    assert answer["CustomAttributes"] == "told=1"
    assert "x-own" not in answer["ResponseMetadata"]["HTTPHeaders"]  # which the container sent
    assert set(json.load(answer["Body"])) == {
        "accept",
        "connection",
        "content-length",
        "host",
        "x-amzn-sagemaker-custom-attributes",
        "x-amzn-sagemaker-inference-id",
    }


def test_an_answer_beyond_the_limit_is_the_models_error(aws: Aws) -> None:
    runtime = aws.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="echo", Body=str(MOST).encode())
    assert len(answer["Body"].read()) == MOST
    with pytest.raises(ClientError) as raised:
        runtime.invoke_endpoint(EndpointName="echo", Body=str(MOST + 1).encode())
    assert refusal(raised.value)[0] == "ModelError"


def test_what_a_container_writes_is_in_the_endpoints_log_group(aws: Aws) -> None:
    logs, deadline = aws.client("logs"), time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(logs.exceptions.ResourceNotFoundException):
            found = logs.filter_log_events(logGroupName="/aws/sagemaker/Endpoints/echo")["events"]
            if any(each["message"] == "the container was started" for each in found):
                return
        time.sleep(0.2)
    pytest.fail("the log group has not what the container wrote")


def test_what_was_invoked_is_in_cloudwatch(aws: Aws) -> None:
    now = datetime.now(UTC)
    sums = aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[
            {"Name": "EndpointName", "Value": "echo"},
            {"Name": "VariantName", "Value": "live"},
        ],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(each["Sum"] for each in sums) == 3
