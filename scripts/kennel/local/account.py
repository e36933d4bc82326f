"""The emulated account of a folder: where its state lies, whether it runs, start and end."""

import fcntl
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from kennel.errors import UserError
from kennel.local.aws.running.runners import runner_of
from kennel.local.processes import clean_environment, listen

HOME = Path(".kennel/local")
PORT = 4566
DEFAULTS = {"port": PORT, "runner": "processes", "speed": 30.0}  # until a first start says else
START_SECONDS = 120.0
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Account:
    home: Path = HOME

    @property
    def state(self) -> Path:
        return self.home.absolute() / "state"

    @property
    def log(self) -> Path:
        return self.state / "control.log"

    @property
    def lock(self) -> Path:
        """Beside the home: `down` deletes what is within, and keeps it until all is gone."""
        return self.home.with_name(f"{self.home.name}.lock")

    @property
    def runner(self) -> str:
        """That of the first start; none before it."""
        return str(self._kept.get("runner", ""))

    def check(self, **wanted: Any) -> None:
        """What was settled by the first start holds for all: who wants something else is told."""
        kept = self._kept
        same = {"port": (0, kept.get("asked"))}  # which somebody else had then
        for name, value in wanted.items():
            if kept and value not in (None, kept[name], *same.get(name, ())):
                raise UserError(
                    f"the account in {self.home} has --{name} {kept[name]}, not {value}: leave "
                    f"--{name} out to keep it, or remove it first with `kennel local down`"
                )

    def wished(self, **given: Any) -> dict[str, Any]:
        """What was asked for now, or else before; a number of classes is for training anew."""
        path = self.home / "wishes.json"
        kept = json.loads(path.read_text()) if path.exists() else {}
        if given.get("classes"):
            kept.pop("model", None)
        kept |= {name: value for name, value in given.items() if value is not None}
        self.home.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(kept))
        return dict(kept)

    def running(self) -> dict[str, Any] | None:
        """What the control process says of itself; None if it does not run."""
        with suppress(FileNotFoundError, ValueError):
            said: dict[str, Any] = json.loads((self.state / "control.json").read_text())
            if is_control(said["pid"], self.state):
                return said
        return None

    def start(self, **wanted: Any) -> dict[str, Any]:
        """Start the control process, which stays when we end; one that runs is kept."""
        if running := self.running():
            return running
        self.stop()  # what an `up` that was killed has left
        self.state.mkdir(parents=True, exist_ok=True)
        is_first = not self._kept
        settings = self._settings(wanted)
        with self.log.open("ab") as log, listener(settings["port"]) as taken:
            settings["port"] = taken.getsockname()[1]
            self._settled.write_text(json.dumps(settings))
            command = [sys.executable, "-m", "kennel.local.aws.control", f"--state={self.state}"]
            command += [f"--{name}={settings[name]}" for name in DEFAULTS]
            process = subprocess.Popen(
                [*command, f"--fd={taken.fileno()}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment(),
                pass_fds=[taken.fileno()],
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not (running := self.running()):
            if process.poll() is not None or time.monotonic() > deadline:
                if is_first:  # nothing is settled yet
                    self._settled.unlink()
                end = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                raise UserError(f"the emulated account does not start; {self.log} ends:\n{end}")
            time.sleep(0.05)
        return running

    def stop(self) -> None:
        """End the control process, which ends all that it started; and what a crash has left."""
        for process in controls(self.state):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_SECONDS)
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait(STOP_SECONDS)
        (self.state / "control.json").unlink(missing_ok=True)
        if self.runner:
            runner_of(self.runner, self.state).remove_all()

    def remove(self) -> None:
        """End everything, and delete every file; UserError if one is left."""
        self.stop()
        for path in self.home.rglob("*"):  # models are read-only
            if path.is_dir() and not path.is_symlink():
                with suppress(PermissionError):  # it is somebody else's
                    path.chmod(0o755)
        shutil.rmtree(self.home, ignore_errors=True)
        if self.home.exists():
            left = next((each for each in self.home.rglob("*") if not each.is_dir()), self.home)
            raise UserError(
                f"everything has ended, but {left} cannot be deleted: it belongs to another user, "
                f"or something writes there; remove the rest with sudo rm -r {self.home.absolute()}"
            )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Only one command at a time changes the account."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        with self.lock.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"another `kennel local` works on {self.home}: wait until it has ended"
                ) from None
            yield

    def _settings(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Those of the first start: a restart is the same, on its port if it still can be had."""
        said = DEFAULTS | {name: value for name, value in wanted.items() if value is not None}
        return self._kept or {**said, "asked": said["port"]}

    @property
    def _settled(self) -> Path:
        return self.home / "settings.json"

    @property
    def _kept(self) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            return dict(json.loads(self._settled.read_text()))
        return {}


def listener(port: int) -> socket.socket:
    """On this port, or any other if somebody has it; for a child, so that nobody takes it."""
    try:
        return listen(port)
    except OSError:
        return listen()


def controls(state: Path) -> list[psutil.Process]:
    """Those of a state; one that was just started has not yet written that it runs."""
    return [each for each in psutil.process_iter() if is_control(each.pid, state)]


def is_control(pid: int, state: Path) -> bool:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and f"--state={state}" in process.cmdline()
    return False
