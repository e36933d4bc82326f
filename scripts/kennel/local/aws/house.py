"""What every addition is given: where state lies, what starts containers, what time it is."""

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kennel.local.aws.clock import Clock
from kennel.local.aws.journal import Journal

if TYPE_CHECKING:
    from kennel.local.aws.running.runner import Runner

ACCOUNT = "123456789012"
Part = TypeVar("Part")
log = logging.getLogger("kennel.house")


@dataclass
class House:
    """One emulated account in one region, with its state under one folder.

    What moto owns survives a restart because the journal repeats the calls that made it. What an
    addition owns, it keeps in `documents` and starts again in a function given to `on_restart`;
    its calls the journal leaves out (`journal.leave_out`).
    """

    state: Path
    clock: Clock
    runner: "Runner"
    journal: Journal
    region: str = "eu-west-1"
    account: str = ACCOUNT
    address: str = ""  # http://127.0.0.1:PORT of all services, known before any call arrives
    api: str = ""  # http://127.0.0.1:PORT of deployed APIs, see api.py
    _restarts: list[Callable[[], None]] = field(default_factory=list)
    _closes: list[Callable[[], None]] = field(default_factory=list)
    _parts: dict[type, Any] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    def share(self, part: Part) -> Part:
        """Let other additions find this object by its class."""
        self._parts[type(part)] = part
        return part

    def the(self, kind: type[Part]) -> Part:
        part: Part = self._parts[kind]
        return part

    def documents(self, kind: str) -> "Documents":
        return Documents(self.state / "documents" / kind)

    def folder(self, name: str) -> Path:
        """A folder of its own for an addition, under the state."""
        path = self.state / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def on_restart(self, start: Callable[[], None]) -> None:
        """Run `start` once moto's state is back; it should return soon."""
        self._restarts.append(start)

    def on_close(self, close: Callable[[], None]) -> None:
        """Run `close` when the process ends: stop what runs, keep what is kept."""
        self._closes.append(close)

    def every(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something again and again, so many seconds of the clock apart, once all is up."""

        def run() -> None:
            while not self.clock.wait(self._ended, seconds):
                try:
                    do()
                except Exception:
                    log.exception("%s", do)

        self.on_restart(lambda: threading.Thread(target=run, daemon=True).start())

    def restart(self) -> None:
        for start in self._restarts:
            start()

    def close(self) -> None:
        self._ended.set()
        try:
            for close in reversed(self._closes):
                close()
        finally:
            self.runner.remove_all()

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


class Documents:
    """JSON documents of one kind, a file each, replaced whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, name: str, document: Any) -> None:
        path = self._path(name)
        with self._lock:
            new = path.with_suffix(".new")
            new.write_text(json.dumps(document))
            new.rename(path)

    def delete(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._path(name).unlink()

    def all(self) -> Iterator[tuple[str, Any]]:
        for path in sorted(self._folder.glob("*.json")):
            yield path.stem, json.loads(path.read_text())

    def _path(self, name: str) -> Path:
        if not re.fullmatch(r"[\w.-]+", name):
            raise ValueError(f"{name!r} cannot name a document")
        return self._folder / f"{name}.json"
