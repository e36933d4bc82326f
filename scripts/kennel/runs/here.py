"""The trainer on this machine, in a folder that stands for SageMaker's /opt/ml."""

import json
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from kennel.errors import UserError
from kennel.local.processes import Processes, clean_environment
from kennel.runs import results
from kennel.runs.logs import Line
from kennel.runs.run import RESULTS, Result, Status

STOPPED = 143  # the trainer's exit code after SIGTERM: its state is saved
GRACE = 60.0  # seconds for that


class LocalRun:
    """One whose process is ours, or was, or is another terminal's."""

    where = "local"

    def __init__(self, name: str) -> None:
        self.name, self.folder = name, RESULTS / name
        if not self.folder.joinpath("run.json").exists():
            raise UserError(f"there is no run {name} in {RESULTS}: `kennel jobs list`")
        self.root = self.folder.absolute() / "ml"
        self._read = 0
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads(self.folder.joinpath("run.json").read_text()))

    def status(self) -> Status:
        record = self.record
        ended = self.folder / "ended.json"
        if ended.exists():
            outcome = json.loads(ended.read_text())
            return self._status(record, **outcome)
        code = self._exit_code(record)
        if code is None:
            return self._status(record, state="InProgress", seconds=time.time() - record["at"])
        outcome = {"state": state_of(code), "seconds": time.time() - record["at"]}
        outcome["reason"] = self._reason(code) if outcome["state"] == "Failed" else ""
        ended.write_text(json.dumps(outcome))
        return self._status(record, **outcome)

    def _status(self, record: dict[str, Any], **outcome: Any) -> Status:
        return Status(**outcome, instance_type="this machine", began=record["began"])

    def _exit_code(self, record: dict[str, Any]) -> int | None:
        if self._child:
            return self._child.poll()
        if is_alive(record):
            return None
        return 0 if self.root.joinpath("model/manifest.json").exists() else 1

    def _reason(self, code: int) -> str:
        failure = self.root / "output/failure"
        said = failure.read_text(errors="replace").strip() if failure.exists() else ""
        return said or f"the trainer ended with exit code {code}; see {self.log}"

    @property
    def log(self) -> Path:
        return self.folder / "trainer.log"

    def lines(self) -> Sequence[Line]:
        """Whole lines that are new."""
        if not self.log.exists():
            return []
        with self.log.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        self._read += len(whole) + bool(whole)
        now = time.time()
        texts = whole.decode(errors="replace").splitlines()
        return [Line("local", text, now) for text in texts if text]

    def stop(self) -> None:
        """SIGTERM: the trainer saves its state and ends."""
        record = self.record
        if is_alive(record):
            os.kill(record["pid"], signal.SIGTERM)

    def collect(self, folder: Path) -> Result:
        folder.mkdir(parents=True, exist_ok=True)
        for name in results.WANTED:
            path = self.root / "output/data" / name
            if path.exists():
                folder.joinpath(name).write_bytes(path.read_bytes())
        archive = self.folder / "model.tar.gz"
        if not archive.exists():
            with Processes(self.folder) as processes:
                environment = clean_environment(KENNEL_ML_ROOT=str(self.root))
                target = str(archive.absolute())
                processes.start("packager", "trainer", "package", target, environment=environment)
                processes.wait_for("packager")
        return results.result(str(archive), folder)


def state_of(code: int) -> str:
    if code == 0:
        return "Completed"
    return "Stopped" if code in (STOPPED, -signal.SIGTERM) else "Failed"


def is_alive(record: Mapping[str, Any]) -> bool:
    """The very process, not a later one with its number."""
    try:
        process = psutil.Process(record["pid"])
        same = abs(process.create_time() - record["created"]) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, KeyError):
        return False


def prepare(data: Path, settings: Mapping[str, str], about: str, resume: str) -> Path:
    """The folder of a run: pictures, settings, and what a resumed one has left."""
    if resume:
        folder = LocalRun(resume).folder
        if is_alive(LocalRun(resume).record):
            raise UserError(f"{resume} still runs: `kennel jobs attach {resume}`")
        folder.joinpath("ended.json").unlink(missing_ok=True)
    else:
        plain = re.sub(r"[^a-z0-9]+", "-", about.lower()).strip("-") or "job"
        stamp = time.strftime("%m%d-%H%M%S", time.gmtime())
        folder = RESULTS / f"local-{plain}-{stamp}-{secrets.token_hex(1)}"
    root = folder / "ml"
    (root / "input/config").mkdir(parents=True, exist_ok=True)
    (root / "input/data").mkdir(exist_ok=True)
    (root / "input/config/hyperparameters.json").write_text(json.dumps(dict(settings)))
    pictures = root / "input/data/training"
    pictures.unlink(missing_ok=True)
    pictures.symlink_to(data.absolute())
    return folder


@contextmanager
def started(
    data: Path,
    settings: Mapping[str, str],
    *,
    commit: str = "unknown",
    about: str = "job",
    resume: str = "",
) -> Iterator[LocalRun]:
    """The trainer runs inside the block; leaving it early makes it save its state and end."""
    folder = prepare(data, settings, about, resume)
    environment = clean_environment(
        KENNEL_ML_ROOT=str(folder.absolute() / "ml"), KENNEL_GIT_COMMIT=commit
    )
    with Processes(folder) as processes:
        child = processes.start("trainer", "trainer", "train", environment=environment)
        record = {
            "pid": child.pid,
            "created": psutil.Process(child.pid).create_time(),
            "at": time.time(),
            "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "data": str(data),
            "hyperparameters": dict(settings),
        }
        folder.joinpath("run.json").write_text(json.dumps(record, indent=1))
        run = LocalRun(folder.name)
        run._child = child
        try:
            yield run
        finally:
            end(child)
            run.status()


def end(child: subprocess.Popen[bytes]) -> None:
    """Longer than other processes get: it saves its state."""
    if child.poll() is None:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)


def recent(most: int) -> list[LocalRun]:
    paths = sorted(RESULTS.glob("*/run.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [LocalRun(path.parent.name) for path in paths[:most]]
