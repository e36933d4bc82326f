"""Every verb, every way in which AWS fails it: a message with its remedy, and an exit code.

The verbs run in this process, against an AWS that gives one answer. What only one verb can meet is
tested with that verb: images that are missing in push/test_images.py, the container's failure line
in jobs/test_train.py and jobs/test_tune.py, a network that comes back in jobs/test_train.py and
push/test_data.py, a fleet's failures in jobs/test_fleet.py, a deployment's in
tests/unit/command/jobs/test_deploy.py and tests/e2e/local/test_journey.py.
"""

import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader, create_loader

from kennel import __main__, aws
from tests.contract.command.jobs.conftest import PREFIX, REGISTRY, platform_outputs

IMAGE = f"{REGISTRY}/train@sha256:{'2c26' * 16}"
VERBS = {
    "images push": "images push serve",
    "data push": "data push pictures --name dogs",
    "data pull": "data pull copy --name dogs",
    "train": f"train dogs --image {IMAGE}",
    "train on EC2": "train --where ec2",
    "tune": f"tune ranges.yaml dogs --image {IMAGE}",
    "jobs list": "jobs list",
    "jobs attach": "jobs attach kennel-test-job",
    "jobs logs": "jobs logs kennel-test-job",
    "jobs stop": "jobs stop kennel-test-job",
    "models list": "models list",
    "models approve": "models approve 1",
    "deploy": "deploy 1",
    "rollback": "rollback",
    "batch": "batch dogs/test",
    "predict": "predict picture.jpg --endpoint",
    "doctor": "doctor",
}
BUCKETS = ["data push", "data pull", "train", "tune", "batch", "rollback"]  # they ask S3 first
IDENTITY = """<GetCallerIdentityResponse><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:role/reader</Arn><UserId>A</UserId><Account>123456789012</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""
ONE_OBJECT = "<ListBucketResult><Contents><Key>dogs/a.jpg</Key><Size>9</Size></Contents>"
FLEET = {
    "launch_template_id": "lt-1", "log_group_name": "/kennel/fleet", "max_count": 1,
    "min_count": 1, "output_uri": "s3://kennel-test-models/fleet",
}  # fmt: skip
SERVICE = {"endpoint_name": PREFIX, "region": "eu-west-1", "release_name": "release-1"}


@dataclass
class Fault:
    """What AWS answers: to all, or only to what would make something."""

    code: str = ""
    status: int = 400
    creating_only: bool = False
    silent: bool = False  # who we are is answered; then the connection is lost, each time


class Handler(BaseHTTPRequestHandler):
    """AWS's several ways of saying no."""

    fault: Fault

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"] or 0)).decode(errors="replace")
        target = self.headers.get("x-amz-target", "")
        fault = self.fault
        creating = ".Create" in target or "Action=CreateFleet" in body or "RunInstances" in body
        if "GetCallerIdentity" in body and not (fault.code.startswith("Expired")):
            self.say(200, IDENTITY)
        elif fault.silent:
            self.close_connection = True
        elif fault.creating_only and not creating:
            self.say(200, '{"imageDetails": []}' if target else f"{ONE_OBJECT}</ListBucketResult>")
        elif target or "invocations" in self.path:
            said = {"__type": fault.code, "message": "so it is", "Message": "so it is"}
            self.say(400, json.dumps(said), {"x-amzn-errortype": fault.code})
        elif "Action=" in body:
            self.say(400, f"<R><Errors><Error>{self.words}</Error></Errors></R>")
        else:
            self.say(fault.status, f"<Error>{self.words}</Error>")

    do_GET = do_HEAD = do_PUT = do_POST  # noqa: N815

    @property
    def words(self) -> str:
        return f"<Code>{self.fault.code}</Code><Message>so it is</Message>"

    def say(self, status: int, body: str, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        region = {"x-amz-bucket-region": "us-west-2"} if status == 301 else {}
        length = {"Content-Length": str(len(body.encode()))}
        for name, value in (length | region | (more or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass


Kennel = Callable[[str], tuple[int, str]]


@pytest.fixture
def fault() -> Fault:
    Handler.fault = Fault()
    return Handler.fault


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def loader() -> Loader:
    """Of botocore's descriptions of services: read once for all tests, as that takes its time."""
    return create_loader()


@pytest.fixture(scope="module")
def folder(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where somebody sits who has a set, a picture, ranges to search, and the outputs."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(pictures, home / "pictures")
    shutil.copy(min(pictures.glob("test/*/*.jpg")), home / "picture.jpg")
    (home / "ranges.yaml").write_text("ranges: {rate: [0.1, 0.2]}\n")
    outputs = {"platform": platform_outputs() | {"fleet": FLEET}, "service": SERVICE}
    (home / "outputs.json").write_text(json.dumps(outputs))
    return home


@pytest.fixture
def kennel(
    address: str,
    folder: Path,
    loader: Loader,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Kennel]:
    """Runs a command line; its exit code and all that it says."""
    settings = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "a-secret-of-mine",
        "AWS_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "KENNEL_OUTPUTS": str(folder / "outputs.json"),
        "COLUMNS": "300",
    }
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "KENNEL_ENV"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("botocore.session.create_loader", lambda _: loader)
    monkeypatch.setattr("botocore.endpoint.time", Hurried())
    monkeypatch.setattr("kennel.network.PATIENCE", 0.0)

    def run(line: str) -> tuple[int, str]:
        aws.session.cache_clear()
        aws.identity.cache_clear()
        monkeypatch.setattr(sys, "argv", ["kennel", *line.split()])
        with pytest.raises(SystemExit) as ended:
            __main__.main()
        told = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return code, " ".join((told.out + told.err).split())

    yield run
    aws.session.cache_clear()
    aws.identity.cache_clear()


class Hurried:
    """botocore's time: its waits between tries are not what is tested."""

    def sleep(self, _: float) -> None:
        pass


def check(kennel: Kennel, verb: str, remedy: str) -> None:
    code, said = kennel(VERBS[verb])
    assert remedy in said
    assert code == 1
    assert "a-secret-of-mine" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("verb", VERBS)
def test_without_credentials(kennel: Kennel, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    check(kennel, verb, "there are no AWS credentials: run `aws sso login`, or set AWS_PROFILE")


@pytest.mark.parametrize("verb", VERBS)
def test_with_an_expired_token(kennel: Kennel, fault: Fault, verb: str) -> None:
    fault.code = "ExpiredTokenException"
    check(kennel, verb, "the credentials have expired or are not valid: run `aws sso login`")


@pytest.mark.parametrize("verb", VERBS)
def test_with_a_network_that_leads_nowhere(
    kennel: Kennel, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing of this leaves the machine
    check(kennel, verb, "check the network, HTTPS_PROXY and the region, then try again")


@pytest.mark.parametrize("verb", [each for each in VERBS if each != "doctor"])  # which warns
def test_with_a_network_that_goes_in_the_middle(kennel: Kennel, fault: Fault, verb: str) -> None:
    fault.silent = True
    check(kennel, verb, "is it running? (`kennel local up`)")  # what it asks of an emulated AWS


@pytest.mark.parametrize("verb", [each for each in VERBS if each != "doctor"])
def test_with_a_role_that_may_not(kennel: Kennel, fault: Fault, verb: str) -> None:
    fault.code, fault.status = "AccessDeniedException", 403
    remedy = "have s3:ListBucket granted" if verb.startswith("data") else "use a role that may"
    check(kennel, verb, remedy)


@pytest.mark.parametrize("verb", BUCKETS)
def test_with_a_bucket_in_another_region(kennel: Kennel, fault: Fault, verb: str) -> None:
    fault.code, fault.status = "PermanentRedirect", 301
    check(kennel, verb, "it is in us-west-2: choose the stack of that region (--env)")


@pytest.mark.parametrize("verb", BUCKETS)
def test_with_a_bucket_in_another_account(kennel: Kennel, fault: Fault, verb: str) -> None:
    fault.code, fault.status = "AccessDenied", 403
    data = verb.startswith("data")
    check(kennel, verb, "belongs to another account" if data else "the bucket is another account's")


@pytest.mark.parametrize("verb", ["train", "tune", "batch"])
def test_with_a_quota_that_is_used_up(kennel: Kennel, fault: Fault, verb: str) -> None:
    fault.code, fault.creating_only = "ResourceLimitExceeded", True
    check(kennel, verb, "`kennel doctor` lists the quotas that matter and how to have one raised")


@pytest.mark.parametrize("verb", ["train", "tune"])
def test_with_an_image_that_nobody_pushed(kennel: Kennel, fault: Fault, verb: str) -> None:
    fault.code, fault.creating_only = "Never", True
    code, said = kennel(VERBS[verb].partition(" --image")[0])
    assert "run `make build push ENV=dev`" in said
    assert code == 1
