"""Containers as processes: the server and the trainer of the working tree, with no walls.

They have folders of their own, not the user's AWS settings, and the memory of their instance type.
What the processes runner cannot do: keep a container from the network or from other files.
"""

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from kennel.local.aws.running.instances import limits
from kennel.local.aws.running.runner import Container, Running
from kennel.local.processes import address, clean_environment, listen

# Marks in the environment, which all descendants inherit: a process is found after its parents,
# and this one, have ended, and its number cannot have become somebody else's.
STATE, NAME = "KENNEL_LOCAL_STATE", "KENNEL_LOCAL_CONTAINER"
MODULES = {"serve": "server", "train": "trainer"}
WATCHED_EVERY = 0.5  # seconds between looks at the memory
GONE_WITHIN = 10.0  # seconds from SIGKILL


class ProcessRunner:
    interface = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")

    def __init__(self, state: Path) -> None:
        self._state = state.absolute()
        # Accounts side by side begin at different places.
        self._numbers = itertools.count(zlib.crc32(bytes(self._state)))
        self.remove_all()

    def hosts(self, count: int) -> Sequence[str]:
        """Loopback addresses that no other job has."""
        second, third = divmod(next(self._numbers) % 60_000, 250)
        return sorted(f"127.{second + 1}.{third + 1}.{host}" for host in range(1, count + 1))

    def start(self, container: Container) -> Running:
        log = self._state / "logs" / f"{container.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = clean_environment(PYTHONUNBUFFERED="1") | dict(container.environment)
        marks = {STATE: str(self._state), NAME: container.name}
        environment |= {"KENNEL_ML_ROOT": str(container.root)} | marks
        with ExitStack() as stack:
            listener = stack.enter_context(listen()) if container.command == "serve" else None
            if listener:
                environment["KENNEL_FD"] = str(listener.fileno())
            process = subprocess.Popen(
                [sys.executable, "-m", MODULES[container.command], container.command],
                stdin=subprocess.DEVNULL,
                stdout=stack.enter_context(log.open("ab")),
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=[listener.fileno()] if listener else [],
                start_new_session=True,
            )
            memory = limits(container.instance_type).memory
            where = address(listener) if listener else ""
            return RunningProcess(process, marks, log, where, memory)

    def forget(self, network: str) -> None:
        """There are none: all processes share loopback."""

    def remove_all(self) -> None:
        end(list(marked({STATE: str(self._state)})))


class RunningProcess:
    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        marks: Mapping[str, str],
        log: Path,
        where: str,
        memory: int,
    ) -> None:
        self.address = where
        self.log = log
        self._process = process
        self._marks = marks
        self._memory = memory
        self._code: int | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    def exit_code(self) -> int | None:
        return self._code

    def terminate(self) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        end(list(marked(self._marks)))

    def _watch(self) -> None:
        """Wait for its end, and end what it leaves; a container's processes end with the first."""
        while True:
            try:
                code = self._process.wait(WATCHED_EVERY)
                break
            except subprocess.TimeoutExpired:
                self._check_memory()
        end(list(marked(self._marks)))
        self._code = code if code >= 0 else 128 - code

    def _check_memory(self) -> None:
        used = 0
        with suppress(psutil.Error):
            first = psutil.Process(self._process.pid)
            for process in [first, *first.children(recursive=True)]:
                with suppress(psutil.Error):
                    used += process.memory_info().rss
        if used > self._memory:
            with self.log.open("a") as log:
                log.write(f"killed: it took {used >> 20} MiB of {self._memory >> 20}\n")
            self.kill()


def marked(marks: Mapping[str, str]) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and marks.items() <= process.environ().items():
                yield process


def end(processes: Sequence[psutil.Process]) -> None:
    """Kill, and see them gone. Their exit codes are left to whoever has started them."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    deadline = time.monotonic() + GONE_WITHIN
    while any(lives(each) for each in processes) and time.monotonic() < deadline:
        time.sleep(0.01)


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
