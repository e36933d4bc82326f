"""One container behind an endpoint: asked how it is, told to end, its log sent on."""

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from kennel.local.aws.joblog import Tail
from kennel.local.aws.serving.artifacts import Artifacts

if TYPE_CHECKING:
    from kennel.local.aws.running.runner import Runner, Running

PING_SECONDS = 2.0
STOP_SECONDS = 30.0  # from SIGTERM to SIGKILL
ANSWER_SECONDS = 60.0
CONNECT_SECONDS = 0.25  # in which a container must accept


@dataclass(frozen=True)
class Ground:
    """What instances stand on."""

    runner: "Runner"
    artifacts: Artifacts
    roots: Path
    write: Callable[[str, str, list[str]], None]  # endpoint, stream, lines of a container's log


class Instance:
    """One container behind the endpoint."""

    def __init__(self, running: "Running", root: Path, write: Callable[[list[str]], None]) -> None:
        self.running = running
        self.root = root
        self._tail, self._write = Tail(running.log), write
        self.outstanding = 0
        self.client = httpx.Client(
            base_url=running.address,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
        )
        for name in ("accept", "accept-encoding", "user-agent"):
            del self.client.headers[name]  # SageMaker sends what the caller sent

    def pings(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.client.get("/ping", timeout=PING_SECONDS).status_code == 200
        return False

    def stop(self) -> None:
        """Answer what was accepted, then SIGTERM, then SIGKILL."""
        wait_until(lambda: not self.outstanding, ANSWER_SECONDS)
        self.running.terminate()
        if not wait_until(lambda: self.running.exit_code() is not None, STOP_SECONDS):
            self.running.kill()
        self.client.close()
        self.tell(last=True)
        remove(self.root)

    def tell(self, *, last: bool = False) -> None:
        """Send what the container has written since to CloudWatch."""
        if lines := self._tail.lines(last=last):
            self._write(lines)


def stop_all(instances: Sequence[Instance]) -> None:
    if instances:
        with ThreadPoolExecutor(max_workers=len(instances)) as pool:
            list(pool.map(Instance.stop, instances))


def wait_until(true: Callable[[], bool], seconds: float, every: float = 0.02) -> bool:
    """Wait in real seconds; whether it became true."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def ending(path: Path, code: int | None) -> str:
    """What a person needs to know of a container that did not come up."""
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    last = next((line for line in reversed(lines) if line.strip()), "")
    how = f"It ended with exit code {code}" if code is not None else "It answered no ping"
    return f"{how}; its log {path} ends with: {last[:400]}"


def remove(root: Path) -> None:
    """A folder with read-only folders in it."""
    for path in root.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(root, ignore_errors=True)
