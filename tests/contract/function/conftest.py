"""A SageMaker runtime API on loopback that answers as a test says, and gateways in front of it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_server

import httpx
import pytest
import uvicorn
import yaml

from kennel import places
from kennel.local.function import Function
from kennel.local.gateway import create
from kennel.local.processes import clean_environment
from kennel.local.usage import Door
from tests.conftest import ROOT

CREDENTIALS = {
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
}


ANSWER = b"""{"model": {"name": "m", "version": "1"}, "logits": [0.1, 0.2],
    "predictions": [{"label": "beagle", "probability": 0.9}]}"""


@dataclass
class Call:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    client: tuple[str, int]


@dataclass
class Reply:
    status: int = 200
    body: bytes = ANSWER
    headers: dict[str, str] = field(default_factory=dict)


def fault(status: int, code: str, **more: object) -> Reply:
    body = json.dumps({"Message": "because", **more}).encode()
    return Reply(status, body, {"x-amzn-errortype": f"{code}:http://internal.amazon.com/"})


def model_error(status: int, message: str) -> Reply:
    return fault(424, "ModelError", OriginalStatusCode=status, OriginalMessage=message)


Talk = Callable[[Call], Reply | None]


@dataclass
class Service:
    """`talk` answers each call; None hangs up."""

    talk: Talk
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(self.command, self.path, headers, body, self.client_address)
                service.calls.append(call)
                reply = service.talk(call)
                if reply is None:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                with suppress(OSError):  # the caller did not wait
                    self.end_headers()
                    self.wfile.write(reply.body)

            do_GET = do_POST  # noqa: N815 - the name that the base class calls

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


Start = Callable[[Talk], Service]


@pytest.fixture
def start() -> Iterator[Start]:
    services: list[Service] = []

    def make(talk: Talk) -> Service:
        services.append(Service(talk))
        return services[-1]

    yield make
    for service in services:
        service.close()


DOCUMENT = yaml.safe_load(places.OPENAPI.read_text())
GUARDED = str(ROOT / "tests/contract/function")  # where the handler `guarded` lies
Gateway = Callable[..., httpx.Client]


@pytest.fixture
def gateway(start: Start) -> Iterator[Gateway]:
    """A factory of clients of running gateways; the model answers as `talk` says."""
    running: list[tuple[uvicorn.Server, threading.Thread, httpx.Client]] = []

    def make(
        talk: Talk = lambda _: Reply(),
        door: Door | None = None,
        handler: str = places.HANDLER,
        seconds: float = 120,
        concurrency: int = 10,
        **settings: str,
    ) -> httpx.Client:
        environment = {
            "KENNEL_ENDPOINT": "dogs",
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": start(talk).url,
            **CREDENTIALS,
            **settings,
            "PYTHONPATH": f"{places.FUNCTIONS}:{settings.get('PYTHONPATH', '')}",
        }
        function = Function(
            handler, clean_environment(**environment), concurrency=concurrency, timeout=seconds
        )
        application = create(function, DOCUMENT, door or Door())
        server = uvicorn.Server(uvicorn.Config(application, log_level="error", ws="none"))
        listener = create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        client = httpx.Client(base_url=url, timeout=240, trust_env=False)
        running.append((server, thread, client))
        return client

    yield make
    for server, thread, client in running:
        client.close()
        server.should_exit = True
        thread.join()
