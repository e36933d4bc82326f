"""A runner with small programs to run, and an image of them."""

import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx

from kennel.local.aws.running.runner import Container, Runner, Running
from tests.contract.local.workload import wait_until

# As both runners start it: on the socket it inherits, or on port 8080.
SERVER = """
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    import socket

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            try:
                answer = str(eval(body))
            except Exception as error:
                answer = repr(error)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.encode())

    server = ThreadingHTTPServer(("0.0.0.0", 8080), Handler, bind_and_activate=False)
    descriptor = os.environ.get("KENNEL_FD")
    if descriptor:
        server.socket = socket.socket(fileno=int(descriptor))
    else:
        server.server_bind()
        server.server_activate()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()
"""
DOCKERFILE = """
ARG BASE
FROM ${BASE}
COPY server /app/server
COPY trainer /app/trainer
ENV PYTHONPATH=/app KENNEL_ML_ROOT=/opt/ml
ENTRYPOINT ["python", "-u", "/app/start.py"]
COPY start.py /app/start.py
"""
START = """
import runpy, sys
name = {"serve": "server", "train": "trainer"}[sys.argv[1]]
runpy.run_module(name, run_name="__main__", alter_sys=False)
"""
TRAINER = """
    import subprocess
    exec(os.environ["CODE"])
"""


class Workbench:
    """A runner with what it is to run."""

    def __init__(
        self, runner: Runner, state: Path, image: str, environment: dict[str, str]
    ) -> None:
        self.runner, self.state, self.image, self.environment = runner, state, image, environment

    def container(self, command: str, **more: object) -> Container:
        name = f"{command}-{uuid.uuid4().hex[:8]}"
        root = self.state / name
        for folder in ("model", "input/config", "output", "checkpoints"):
            (root / folder).mkdir(parents=True)
        (root / "model/weights").write_text("heavy")
        (root / "input/config/hyperparameters.json").write_text("{}")
        (root / "input/config/resourceconfig.json").write_text("{}")
        base = Container(name, self.image, command, root, self.environment)  # type: ignore[arg-type]
        return replace(base, **more)  # type: ignore[arg-type]

    def train(self, code: str, **more: object) -> Running:
        return self.runner.start(
            self.container("train", environment=self.environment | {"CODE": code}, **more)
        )

    def serve(self, **more: object) -> "Server":
        running = self.runner.start(self.container("serve", **more))
        server = Server(running)
        wait_until(lambda: server.answers() or running.exit_code() is not None)
        assert running.exit_code() is None, running.log.read_text()
        return server


class Server:
    def __init__(self, running: Running) -> None:
        self.running = running

    def answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.ask("1 + 1") == "2"
        return False

    def ask(self, code: str) -> str:
        url = f"{self.running.address}/invocations"
        return httpx.post(url, content=code, timeout=30, trust_env=False).text


def ended(running: Running, seconds: float = 30) -> int:
    wait_until(lambda: running.exit_code() is not None, seconds)
    code = running.exit_code()
    assert code is not None
    return code
