"""Child processes that are gone when we are: started in order, ended in reverse."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from kennel.errors import UserError

GRACE = 10.0  # seconds between SIGTERM and SIGKILL


class Processes:
    """A group of children, each with its log; leaving the `with` block ends them and theirs."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(
        self,
        name: str,
        module: str,
        *arguments: str,
        environment: Mapping[str, str],
        sockets: Sequence[socket.socket] = (),
    ) -> subprocess.Popen[bytes]:
        """Run a Python module. A session of its own keeps the terminal's Ctrl-C for us alone."""
        with self.log(name).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                pass_fds=[each.fileno() for each in sockets],
                start_new_session=True,
            )
        self._started[name] = process
        return process

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def check(self) -> None:
        """Raise if a child that should be running has ended."""
        for name, process in self._started.items():
            if process.poll() is not None:
                raise self.failure(name)

    def failure(self, name: str) -> UserError:
        lines = self.log(name).read_text(errors="replace").strip().splitlines()[-15:]
        code = self._started[name].poll()
        tail = "\n".join(f"    {line}" for line in lines)
        return UserError(f"{name} ended with exit code {code}; {self.log(name)} ends with:\n{tail}")

    def wait_for(self, name: str) -> None:
        """Wait until a child has done its work; its failure is ours."""
        if self._started[name].wait():
            raise self.failure(name)
        del self._started[name]

    def stop(self) -> None:
        """SIGTERM to every child, time to obey, then SIGKILL to them and to all they started."""
        children = list(reversed(self._started.values()))
        descendants = [each for child in children for each in descendants_of(child.pid)]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + GRACE
        for child in children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        _, alive = psutil.wait_procs(descendants, timeout=1)
        for survivor in alive:
            with suppress(psutil.NoSuchProcess):
                survivor.kill()
        psutil.wait_procs(alive, timeout=GRACE)
        self._started.clear()


def descendants_of(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def listen(port: int = 0) -> socket.socket:
    """A listening socket on loopback, for a child to inherit. Port 0 takes a free one."""
    return socket.create_server(("127.0.0.1", port), backlog=128)


def address(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def clean_environment(**extra: str) -> dict[str, str]:
    """What a child needs to run, and nothing of the user's AWS account."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
    return {name: os.environ[name] for name in kept if name in os.environ} | extra


def wait_until_up(url: str, processes: Processes, seconds: float = 60) -> None:
    """Wait until a child accepts connections and answers at all."""
    import httpx  # noqa: PLC0415 - only here

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        processes.check()
        with suppress(httpx.TransportError):
            httpx.get(url, timeout=2, trust_env=False)
            return
        time.sleep(0.05)
    raise UserError(f"nothing answers at {url} after {seconds:.0f} seconds")
