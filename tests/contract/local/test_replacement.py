"""Containers that end while they serve: others take over, if need be at the second try."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.contract.local.conftest import Aws
from tests.contract.local.releases import Releases
from tests.contract.local.workload import program, wait_until

# Answers with its process id. Of each start it leaves a mark; at the second it does as it is told.
MORTAL = """
    import socket
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def do_POST(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(str(os.getpid()).encode())

    marks = Path(__file__).with_name("marks")
    marks.mkdir(exist_ok=True)
    (marks / str(os.getpid())).touch()
    if len(list(marks.iterdir())) == 2:
        exec(os.environ["SECOND"])
    server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=int(os.environ["KENNEL_FD"]))
    server.serve_forever()
"""


@pytest.fixture(scope="module")
def releases(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    model = tmp_path_factory.mktemp("model")
    (model / "weights").write_bytes(b"any")
    return Releases(aws, model)


class Mortal:
    """An endpoint whose server says which process it is."""

    def __init__(self, releases: Releases, folder: Path, name: str, second: str = "pass") -> None:
        self.name, self._releases = name, releases
        environment = program(folder, MORTAL, "server")
        self._marks = Path(environment["PYTHONPATH"]) / "server/marks"
        made = releases.endpoint(name, **environment, SECOND=second)
        assert made["EndpointStatus"] == "InService"
        self._runtime: Any = releases.aws.client("sagemaker-runtime")
        self.first = self.asked()

    @property
    def starts(self) -> int:
        return len(list(self._marks.iterdir()))

    @property
    def alive(self) -> bool:
        """Whether any process that it was started with still runs."""
        return any(psutil.pid_exists(int(each.name)) for each in self._marks.iterdir())

    def asked(self) -> int:
        answer = self._runtime.invoke_endpoint(EndpointName=self.name, Body=b"")
        return int(answer["Body"].read())

    def kill(self) -> None:
        os.kill(self.first, signal.SIGKILL)

    def is_replaced(self) -> bool:
        with suppress(ClientError):
            return self.asked() != self.first
        return False

    def delete(self) -> None:
        self._releases.sagemaker.delete_endpoint(EndpointName=self.name)
        with pytest.raises(ClientError, match="Could not find endpoint"):
            self._releases.settled(self.name)


def test_another_instance_takes_over_from_one_that_died(releases: Releases, tmp_path: Path) -> None:
    endpoint = Mortal(releases, tmp_path, "mortal")
    endpoint.kill()
    wait_until(endpoint.is_replaced)
    found = releases.describe("mortal")
    [variant] = found["ProductionVariants"]
    assert (found["EndpointStatus"], variant["CurrentInstanceCount"]) == ("InService", 1)
    assert endpoint.starts == 2
    endpoint.delete()


def test_a_replacement_that_fails_is_followed_by_another(
    releases: Releases, tmp_path: Path
) -> None:
    endpoint = Mortal(releases, tmp_path, "unlucky", second="sys.exit(3)")
    endpoint.kill()
    wait_until(endpoint.is_replaced)
    assert endpoint.starts == 3
    assert releases.describe("unlucky")["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    endpoint.delete()


def test_one_that_hangs_keeps_no_other_endpoint_waiting_and_is_not_waited_for(
    releases: Releases, tmp_path: Path
) -> None:
    hanging = Mortal(releases, tmp_path, "hanging", second="time.sleep(600)")
    hanging.kill()
    wait_until(lambda: hanging.starts == 2)
    other = Mortal(releases, tmp_path, "other")
    other.kill()
    wait_until(other.is_replaced)
    other.delete()

    # An update brings a fleet of its own, and with the old one goes what never came up.
    new = releases.config(**program(tmp_path, MORTAL, "server"), SECOND="pass")
    releases.sagemaker.update_endpoint(EndpointName="hanging", EndpointConfigName=new)
    assert releases.settled("hanging")["EndpointStatus"] == "InService"
    assert hanging.is_replaced()
    assert releases.describe("hanging")["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    wait_until(lambda: not hanging.alive)
    hanging.delete()
