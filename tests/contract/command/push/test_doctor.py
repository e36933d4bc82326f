"""`kennel doctor`: each thing that can be wrong is found, and comes with its remedy."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.contract.command.push.conftest import Kennel

VCPUS = 8.0  # of each family
QUOTAS = {
    "ml.c6i.xlarge for endpoint usage": ("L-AAAA", 4.0),
    "ml.g5.xlarge for training job usage": ("L-BBBB", 1.0),
    "ml.g5.xlarge for spot training job usage": ("L-CCCC", 0.0),
}


@pytest.fixture(scope="module")
def service_quotas() -> Iterator[str]:
    """Service Quotas on loopback, in two pages: what moto knows of it is about VPCs only."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.headers["x-amz-target"].endswith("GetServiceQuota"):
                quota = {"QuotaCode": asked["QuotaCode"], "QuotaName": "", "Value": VCPUS}
                self.answer({"Quota": quota})
                return
            rows = [
                {"QuotaName": name, "QuotaCode": code, "Value": value}
                for name, (code, value) in QUOTAS.items()
            ]
            page = {"Quotas": rows[2:]} if "NextToken" in asked else {"Quotas": rows[:2]}
            self.answer(page if "NextToken" in asked else page | {"NextToken": "more"})

        def answer(self, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def findings(run: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {each["about"]: each for each in json.loads(run.stdout)["findings"]}


def test_account_stack_and_quotas_are_looked_through(kennel: Kennel, service_quotas: str) -> None:
    run = kennel("doctor", "--json", AWS_ENDPOINT_URL_SERVICE_QUOTAS=service_quotas)
    found = findings(run)
    assert run.returncode == 0, found
    assert found["account"]["what"].startswith("123456789012 as arn:aws:")
    assert found["platform"]["state"] == "ok"
    assert found["service"]["state"] == "warning"
    assert "STACK=service" in found["service"]["what"]
    assert found["endpoint"]["state"] == found["training"]["state"] == found["ec2"]["state"] == "ok"
    spot = found["spot training"]
    assert spot["state"] == "warning"
    assert spot["what"] == "ml.g5.xlarge for spot training job usage: 0, 1 needed"
    assert "--service-code sagemaker --quota-code L-CCCC --desired-value 1" in spot["remedy"]
    assert found["git"]["what"]


def test_without_credentials_nothing_else_is_asked(kennel: Kennel) -> None:
    run = kennel("doctor", "--json", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    found = findings(run)
    assert run.returncode == 1
    assert found["account"]["state"] == "fault"
    assert "aws sso login" in found["account"]["what"]
    assert "endpoint" not in found


def test_a_stack_of_another_account_is_a_fault(kennel: Kennel, service_quotas: str) -> None:
    path = kennel.home / "outputs.json"
    content = json.loads(path.read_text())
    content["platform"]["kms_key_arn"] = "arn:aws:kms:eu-west-1:999999999999:key/some"
    path.write_text(json.dumps(content))
    run = kennel("doctor", "--json", AWS_ENDPOINT_URL_SERVICE_QUOTAS=service_quotas)
    assert run.returncode == 1
    assert "is in account 999999999999" in findings(run)["platform"]["what"]


def test_what_is_missing_on_the_machine_is_listed_without_aws(kennel: Kennel) -> None:
    empty = kennel.home / "empty"
    empty.mkdir()
    run = kennel("doctor", "--offline", PATH=str(empty), KENNEL_TERRAFORM=sys.executable)
    assert run.returncode == 1
    for said in ("docker is missing", "git is missing", "0 is too old", "GB free"):
        assert said in run.stdout


def test_a_service_that_refuses_is_a_warning_with_its_words(kennel: Kennel) -> None:
    run = kennel("doctor", "--json", AWS_ENDPOINT_URL_SERVICE_QUOTAS="http://127.0.0.1:9")
    assert run.returncode == 0
    assert findings(run)["endpoint"]["state"] == "warning"
    assert "is it running?" in findings(run)["endpoint"]["what"]
