"""What endpoints may be asked for besides: done, throttled as on AWS, or refused by its name."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.local.conftest import Aws
from tests.contract.local.releases import BUCKET, ROLE, Releases
from tests.contract.local.workload import program, wait_until

# Answers what it was asked, after as many seconds as that says.
SLOW = """
    import socket
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(float(body))
            self.send_response(200)
            self.send_header("Content-Type", "text/csv")
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=int(os.environ["KENNEL_FD"]))
    server.serve_forever()
"""
SERVERLESS = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
ASYNC = {"OutputConfig": {"S3OutputPath": "s3://releases/answers"}}
VARIANT = {
    "VariantName": "live",
    "ModelName": "model",
    "InstanceType": "ml.c7i.xlarge",
    "InitialInstanceCount": 1,
}


@pytest.fixture(scope="module")
def releases(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    model = tmp_path_factory.mktemp("model")
    (model / "weights").write_bytes(b"any")
    return Releases(aws, model)


def model(releases: Releases, folder: Path, name: str) -> None:
    releases.sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": "serve",
            "ModelDataUrl": releases.artifact(),
            "Environment": program(folder, SLOW, "server"),
        },
    )


def endpoint(releases: Releases, folder: Path, name: str, **more: Any) -> None:
    """An endpoint of the program above, with a configuration as it is given."""
    model(releases, folder, name)
    variants = [more.pop("variant", VARIANT) | {"ModelName": name}]
    releases.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=variants, **more
    )
    releases.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    assert releases.settled(name)["EndpointStatus"] == "InService"


def test_a_serverless_variant_beyond_its_concurrency_throttles(
    aws: Aws, releases: Releases, tmp_path: Path
) -> None:
    variant = {"VariantName": "live", "ServerlessConfig": SERVERLESS}
    endpoint(releases, tmp_path, "small", variant=variant)
    runtime = aws.client("sagemaker-runtime")

    def call(_: int) -> str:
        try:
            answer = runtime.invoke_endpoint(EndpointName="small", Body=b"2")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return str(answer["Body"].read().decode())

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(call, range(3))) == ["2", *["ThrottlingException"] * 2]
    assert call(0) == "2"


def test_what_is_captured_is_written_line_by_line(
    aws: Aws, releases: Releases, tmp_path: Path
) -> None:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }
    endpoint(releases, tmp_path, "seen", DataCaptureConfig=capture)
    runtime = aws.client("sagemaker-runtime")
    for body, name in ((b"0", "first"), (b"0.0", "second")):
        runtime.invoke_endpoint(
            EndpointName="seen", Body=body, ContentType="image/jpeg", InferenceId=name
        )
    with pytest.raises(ClientError):
        runtime.invoke_endpoint(EndpointName="seen", Body=b"no number")

    def lines() -> list[dict[str, Any]]:
        found = releases.s3.list_objects_v2(Bucket=BUCKET, Prefix="captured/seen/live/20")
        keys = [each["Key"] for each in found.get("Contents", [])]
        assert all(key.endswith(".jsonl") for key in keys)
        texts = [releases.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys]
        return [json.loads(line) for text in texts for line in text.splitlines()]

    wait_until(lambda: len(lines()) == 2)
    first, second = sorted(lines(), key=lambda each: each["eventMetadata"]["inferenceId"])
    assert second["eventMetadata"]["inferenceId"] == "second"
    assert first["captureData"] == {
        "endpointInput": {
            "observedContentType": "image/jpeg",
            "mode": "INPUT",
            "data": base64.b64encode(b"0").decode(),
            "encoding": "BASE64",
        },
        "endpointOutput": {
            "observedContentType": "text/csv",
            "mode": "OUTPUT",
            "data": "0",
            "encoding": "CSV",
        },
    }


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"AsyncInferenceConfig": ASYNC}, "asynchronous endpoints"),
        ({"ShadowProductionVariants": [VARIANT | {"VariantName": "s"}]}, "shadow variants"),
        (
            {"ProductionVariants": [VARIANT | {"ManagedInstanceScaling": {"Status": "ENABLED"}}]},
            "managed instance scaling",
        ),
        (
            {"ProductionVariants": [{k: v for k, v in VARIANT.items() if k != "ModelName"}]},
            "inference components",
        ),
    ],
)
def test_a_configuration_that_would_do_nothing_is_refused_by_name(
    releases: Releases, given: dict[str, Any], what: str
) -> None:
    with pytest.raises(ClientError, match=f"local AWS does not have {what}"):
        releases.sagemaker.create_endpoint_config(
            **{"EndpointConfigName": "odd", "ProductionVariants": [VARIANT]} | given
        )
    with pytest.raises(ClientError, match="Could not find"):
        releases.sagemaker.describe_endpoint_config(EndpointConfigName="odd")


def test_so_are_models_of_several_containers_and_of_several_models(releases: Releases) -> None:
    create, container = releases.sagemaker.create_model, {"Image": "serve"}
    with pytest.raises(ClientError, match="does not have multi-container models"):
        create(ModelName="odd", ExecutionRoleArn=ROLE, Containers=[container, container])
    several = container | {"MultiModelConfig": {"ModelCacheSetting": "Enabled"}}
    with pytest.raises(ClientError, match="does not have multi-model endpoints"):
        create(ModelName="odd", ExecutionRoleArn=ROLE, PrimaryContainer=several)


def test_so_are_rolling_deployments_and_other_ways_to_call(
    aws: Aws, releases: Releases, tmp_path: Path
) -> None:
    endpoint(releases, tmp_path, "plain")
    batch = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 0}
    with pytest.raises(ClientError, match="does not have rolling deployments"):
        releases.sagemaker.update_endpoint(
            EndpointName="plain",
            EndpointConfigName="plain",
            DeploymentConfig={"RollingUpdatePolicy": batch},
        )
    runtime = aws.client("sagemaker-runtime")
    with pytest.raises(ClientError, match="does not have asynchronous endpoints"):
        runtime.invoke_endpoint_async(EndpointName="plain", InputLocation="s3://releases/a")
    with pytest.raises(ClientError, match="does not have streamed answers"):
        runtime.invoke_endpoint_with_response_stream(EndpointName="plain", Body=b"0")
    with pytest.raises(ClientError, match="does not have multi-model endpoints"):
        runtime.invoke_endpoint(EndpointName="plain", Body=b"0", TargetModel="other.tar.gz")
    assert runtime.invoke_endpoint(EndpointName="plain", Body=b"0")["Body"].read() == b"0"
