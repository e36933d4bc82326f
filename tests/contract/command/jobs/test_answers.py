"""A job that was started, but the answer was lost: botocore asks again, and the name is taken."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kennel import aws, batch
from kennel.outputs import Outputs
from kennel.runs import training
from kennel.search import tuning
from tests.contract.command.jobs.conftest import platform_outputs

ONE_OBJECT = "<ListBucketResult><Contents><Key>dogs/a.jpg</Key></Contents></ListBucketResult>"
TAKEN = json.dumps({"__type": "ResourceInUse", "message": "the name is taken"})


class Handler(BaseHTTPRequestHandler):
    """Takes a job; drops the connection as often as `lost` says, then says that it has the job."""

    lost = 0
    asked: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"] or 0))
        self.asked.append(self.headers["x-amz-target"].partition(".")[2])
        if len(self.asked) <= self.lost:
            self.close_connection = True
        else:
            self.say(400, TAKEN)

    def do_GET(self) -> None:
        self.say(200, ONE_OBJECT)

    def say(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Handler]]:
    Handler.asked, Handler.lost = [], 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    aws.session.cache_clear()
    yield Handler
    aws.session.cache_clear()
    server.shutdown()
    thread.join()
    server.server_close()


PLATFORM = Outputs("platform", platform_outputs())
ORDER = training.Order("image", "s3://data/dogs/", {})


def train() -> str:
    request = training.request("kennel-test-job", ORDER, PLATFORM["training_job"])
    return training.start(request, PLATFORM).name


def tune() -> str:
    name = "HyperParameterTuningJobName"
    config = {"Strategy": "Grid", "ResourceLimits": {"MaxParallelTrainingJobs": 1}}
    return tuning.start({name: "kennel-test-job", f"{name[:-4]}Config": config}, PLATFORM).name


def transform() -> str:
    request = batch.request_of(
        ORDER.data, PLATFORM, Outputs("service", {"release_name": "release-1"}),
        out="", instances=1, instance_type="ml.m5.xlarge",
    )  # fmt: skip
    clients = (aws.client(each, PLATFORM.region) for each in ("sagemaker", "s3"))
    return batch.start(request | {"TransformJobName": "kennel-test-job"}, ORDER.data, *clients)


STARTS = {
    "CreateTrainingJob": train,
    "CreateHyperParameterTuningJob": tune,
    "CreateTransformJob": transform,
}


@pytest.mark.parametrize(("operation", "start"), STARTS.items())
def test_a_job_whose_answer_was_lost_is_started(
    service: type[Handler], operation: str, start: Callable[[], str]
) -> None:
    service.lost = 1
    assert start() == "kennel-test-job"
    assert service.asked == [operation] * 2


@pytest.mark.parametrize("start", STARTS.values())
def test_a_name_that_was_taken_before_is_an_error(
    service: type[Handler], start: Callable[[], str]
) -> None:
    with pytest.raises(ClientError, match="the name is taken"):
        start()
    assert len(service.asked) == 1
