"""What a search on this machine has found so far: a file, so that it can go on another day."""

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from kennel.errors import UserError
from kennel.runs.run import RESULTS
from kennel.search.ranges import Plan
from kennel.search.trials import Trial

FILE = "search.json"
ENDED = "trials.json"  # of a search that has ended, for later ones to learn from


class Kept:
    """The trials that have ended, and those that were under way; the file is always whole."""

    def __init__(self, name: str, asked: str) -> None:
        self.name, self.asked = name, asked
        self.ended: list[Trial] = []
        self.begun: dict[str, dict[str, str]] = {}  # a run's name, and its values
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        return RESULTS / self.name / FILE

    def begin(self, name: str, values: Mapping[str, str]) -> None:
        with self._lock:
            self.begun[name] = dict(values)
            self._write()

    def end(self, trial: Trial) -> None:
        with self._lock:
            self.begun.pop(trial.name, None)
            self.ended.append(trial)
            self._write()

    def finish(self) -> None:
        """Asked for once more, the search is a new one."""
        self.path.replace(self.path.with_name(ENDED))

    def _write(self) -> None:
        content = {
            "asked": self.asked,
            "ended": [asdict(each) for each in self.ended],
            "begun": self.begun,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(content, indent=1))
        new.replace(self.path)


def earlier(name: str) -> list[Trial]:
    """The trials of another search on this machine, whether it has ended or was interrupted."""
    for file in (ENDED, FILE):
        path = RESULTS / name / file
        if path.exists():
            return [Trial(**each) for each in json.loads(path.read_text())["ended"]]
    raise UserError(
        f"warm_start: there is no search {name} in {RESULTS}; with --where local it names earlier "
        "searches on this machine, by the folder of their tuning.html"
    )


def of(data: Path, plan: Plan) -> Kept:
    """The search that was interrupted, if the same was asked for; else a new one."""
    text = json.dumps([str(data.absolute()), asdict(plan)], sort_keys=True)
    asked = hashlib.sha256(text.encode()).hexdigest()
    for path in sorted(RESULTS.glob(f"*/{FILE}"), reverse=True):
        content = json.loads(path.read_text())
        if content["asked"] == asked:
            found = Kept(path.parent.name, asked)
            found.ended = [Trial(**each) for each in content["ended"]]
            # One that was killed before its trainer had started has left nothing to go on from.
            found.begun = {
                name: values
                for name, values in content["begun"].items()
                if (RESULTS / name / "run.json").exists()
            }
            return found
    stamp = time.strftime("%m%d-%H%M%S", time.gmtime())
    return Kept(f"local-tune-{stamp}-{secrets.token_hex(1)}", asked)
