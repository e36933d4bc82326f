"""Batch transform of the emulated SageMaker, with a small server in the place of the real one."""

import io
import json
import tarfile
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.local.conftest import Aws
from tests.contract.local.workload import ROLE, Jobs, program, wait_until

# Shouts what it is sent; what says "bad" is refused, what says "broken" breaks it.
SERVER = """
    import socket, threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    inside, most, failures = 0, 0, 0

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status, body=b""):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/execution-parameters" and "WISH" in os.environ:
                return self.answer(200, os.environ["WISH"].encode())
            self.answer(200 if self.path == "/ping" else 404)

        def do_POST(self):
            global inside, most, failures
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            inside += 1
            most = max(most, inside)
            time.sleep(float(os.environ.get("PAUSE", "0.05")))
            inside -= 1
            if "bad" in body:
                return self.answer(415, b"that is bad")
            if "broken" in body:
                return self.answer(500, b"that breaks me")
            if "twice" in body and not failures:
                failures += 1
                return self.answer(503)
            batch = {k: v for k, v in os.environ.items() if k.startswith("SAGEMAKER_")}
            kinds = [self.headers["Content-Type"], self.headers["Accept"]]
            answer = [body.upper(), most, batch, kinds, (ml / "model/weights").read_text()]
            self.answer(200, json.dumps(answer).encode())

    listener = socket.socket(fileno=int(os.environ["KENNEL_FD"]))
    server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket = listener
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("serving", flush=True)
    server.serve_forever()
"""


class Transforms(Jobs):
    def __init__(self, aws: Aws, environment: dict[str, str]) -> None:
        super().__init__(aws)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            entry = tarfile.TarInfo("weights")
            entry.size = 5
            tar.addfile(entry, io.BytesIO(b"heavy"))
        self.put("model.tar.gz", packed.getvalue())
        self.environment = environment

    def model(self, **environment: str) -> str:
        name = f"model-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            EnableNetworkIsolation=True,
            PrimaryContainer={
                "Image": "serve",
                "ModelDataUrl": f"s3://{self.bucket}/model.tar.gz",
                "Environment": self.environment | environment,
            },
        )
        return name

    def begin(self, prefix: str, model: str, **more: Any) -> str:
        name = f"transform-{uuid.uuid4().hex[:8]}"
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/{prefix}"}
        request: dict[str, Any] = {
            "TransformJobName": name,
            "ModelName": model,
            "TransformInput": {
                "DataSource": {"S3DataSource": source},
                "ContentType": "text/plain",
            },
            "TransformOutput": {
                "S3OutputPath": f"s3://{self.bucket}/out/{name}",
                "Accept": "application/json",
            },
            "TransformResources": {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1},
        }
        answer = self.sagemaker.create_transform_job(**request | more)
        assert answer["TransformJobArn"].endswith(f":transform-job/{name}")
        return name

    def look(self, name: str) -> dict[str, Any]:
        return dict(self.sagemaker.describe_transform_job(TransformJobName=name))

    def ended(self, name: str) -> dict[str, Any]:
        over = ("Completed", "Failed", "Stopped")
        wait_until(lambda: self.look(name)["TransformJobStatus"] in over)
        return self.look(name)

    def outputs(self, name: str) -> dict[str, Any]:
        prefix = f"out/{name}/"
        return {key[len(prefix) :]: json.loads(self.get(key)) for key in self.keys(prefix)}

    def data_log(self, name: str) -> str:
        logs = self.aws.client("logs")
        group = {"logGroupName": "/aws/sagemaker/TransformJobs"}
        streams = logs.describe_log_streams(**group, logStreamNamePrefix=f"{name}/")["logStreams"]
        names = [each["logStreamName"] for each in streams]
        assert len(names) == 2 * len([each for each in names if each.endswith("/data-log")])
        events = [
            logs.get_log_events(**group, logStreamName=each)["events"]
            for each in names
            if each.endswith("/data-log")
        ]
        return "\n".join(event["message"] for stream in events for event in stream)


@pytest.fixture(scope="module")
def transforms(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Transforms:
    found = Transforms(aws, program(tmp_path_factory.mktemp("programs"), SERVER, "server"))
    for number in range(6):
        found.put(f"good/{number}.txt", f"text {number}".encode())
    found.put("good/deep/down.txt", b"deep")
    return found


def test_every_object_of_a_prefix_gets_its_answer(transforms: Transforms) -> None:
    name = transforms.begin("good/", transforms.model(), MaxPayloadInMB=2)
    job = transforms.ended(name)
    assert job["TransformJobStatus"] == "Completed"
    assert job["CreationTime"] < job["TransformStartTime"] < job["TransformEndTime"]
    found = transforms.outputs(name)
    assert sorted(found) == [*(f"{n}.txt.out" for n in range(6)), "deep/down.txt.out"]
    text, most, batch, kinds, model = found["3.txt.out"]
    assert (text, kinds, model) == ("TEXT 3", ["text/plain", "application/json"], "heavy")
    assert most == 1
    assert batch == {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "2"}
    line = "MaxConcurrentTransforms=1, MaxPayloadInMB=2, BatchStrategy=MULTI_RECORD"
    assert line in transforms.data_log(name)


def test_a_bad_object_fails_the_job_but_not_the_other_objects(transforms: Transforms) -> None:
    transforms.put("mixed/a", b"fine")
    transforms.put("mixed/b", b"bad")
    transforms.put("mixed/c", b"fine too")
    name = transforms.begin("mixed/", transforms.model())
    job = transforms.ended(name)
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    assert sorted(transforms.outputs(name)) == ["a.out", "c.out"]
    log = transforms.data_log(name)
    assert f"{transforms.bucket}/mixed/b: ClientError: 415" in log
    assert f"{transforms.bucket}/mixed/b: that is bad" in log


def test_a_server_that_breaks_is_the_algorithms_fault(transforms: Transforms) -> None:
    transforms.put("broken/a", b"broken")
    client = {"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 5}
    name = transforms.begin("broken/", transforms.model(), ModelClientConfig=client)
    job = transforms.ended(name)
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert "Bad HTTP status received from algorithm: 500" in transforms.data_log(name)


def test_what_may_pass_is_tried_again(transforms: Transforms) -> None:
    transforms.put("again/a", b"twice")
    assert transforms.ended(transforms.begin("again/", transforms.model()))[
        "TransformJobStatus"
    ] == ("Completed")


def test_a_slow_answer_is_given_up(transforms: Transforms) -> None:
    transforms.put("slow/a", b"fine")
    client = {"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 1}
    name = transforms.begin("slow/", transforms.model(PAUSE="20"), ModelClientConfig=client)
    assert transforms.ended(name)["TransformJobStatus"] == "Failed"
    assert "Unable to get response from algorithm" in transforms.data_log(name)


def test_the_container_says_how_it_wants_to_be_used(transforms: Transforms) -> None:
    wish = {"MaxConcurrentTransforms": 3, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 9}
    model = transforms.model(WISH=json.dumps(wish), PAUSE="0.2")
    name = transforms.begin("good/", model)
    transforms.ended(name)
    assert max(answer[1] for answer in transforms.outputs(name).values()) == 3
    line = "MaxConcurrentTransforms=3, MaxPayloadInMB=9, BatchStrategy=SINGLE_RECORD"
    assert line in transforms.data_log(name)
    chosen = transforms.begin("good/", model, MaxConcurrentTransforms=2)
    transforms.ended(chosen)
    assert "MaxConcurrentTransforms=2, MaxPayloadInMB=9" in transforms.data_log(chosen)


def test_an_object_above_the_payload_limit_is_not_sent(transforms: Transforms) -> None:
    transforms.put("large/a", b"x" * (1024 * 1024 + 1))
    transforms.put("large/b", b"small")
    name = transforms.begin("large/", transforms.model(), MaxPayloadInMB=1)
    assert transforms.ended(name)["TransformJobStatus"] == "Failed"
    assert sorted(transforms.outputs(name)) == ["b.out"]


def test_instances_share_the_objects(transforms: Transforms) -> None:
    resources = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 2}
    name = transforms.begin("good/", transforms.model(), TransformResources=resources)
    assert transforms.ended(name)["TransformJobStatus"] == "Completed"
    assert len(transforms.outputs(name)) == 7
    assert transforms.data_log(name).count("BatchStrategy") == 2


def test_a_job_can_be_stopped(transforms: Transforms) -> None:
    name = transforms.begin("good/", transforms.model(PAUSE="1"))
    wait_until(lambda: "TransformStartTime" in transforms.look(name))
    transforms.sagemaker.stop_transform_job(TransformJobName=name)
    assert transforms.look(name)["TransformJobStatus"] == "Stopping"
    assert transforms.ended(name)["TransformJobStatus"] == "Stopped"
    assert len(transforms.outputs(name)) < 7
    listed = transforms.sagemaker.list_transform_jobs(NameContains=name, StatusEquals="Stopped")
    assert [each["TransformJobName"] for each in listed["TransformJobSummaries"]] == [name]


def test_a_server_that_does_not_start_fails_the_job(aws: Aws, tmp_path: Path) -> None:
    transforms = Transforms(aws, program(tmp_path, "sys.exit(1)", "server"))
    transforms.put("good/a", b"fine")
    job = transforms.ended(transforms.begin("good/", transforms.model()))
    assert "failed to respond to ping" in job["FailureReason"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ModelName": "nobody"}, 'Could not find model ".*nobody'),
        ({"MaxConcurrentTransforms": 20, "MaxPayloadInMB": 6}, "cannot exceed 100"),
        ({"MaxPayloadInMB": 101}, "cannot be greater than 100"),
    ],
)
def test_what_aws_refuses_is_refused(
    transforms: Transforms, change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ClientError, match=f"ValidationException.*{complaint}"):
        transforms.begin("good/", transforms.model(), **change)
    with pytest.raises(ClientError, match="No S3 objects found"):
        transforms.begin("nothing/", transforms.model())
