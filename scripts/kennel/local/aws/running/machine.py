"""An EC2 instance that has a boot script: the script, as a process, with what it finds on a node.

Its metadata come from a folder, its address is one of loopback's, and its docker has one image, the
trainer of the working tree. The rest is the host's: it is no machine with walls of its own.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kennel.local.aws.joblog import Stream, Tail
from kennel.local.aws.running.runner_processes import NAME, STATE, ProcessRunner, end, marked
from kennel.local.processes import clean_environment

LOOK = 0.5  # seconds between looks at what it writes
KIND = "KENNEL_LOCAL_MACHINES"  # the mark of all of an account, of whatever runner
TOOLS = {
    "curl": """#!/bin/bash
# The metadata service.
path=${@: -1}
path=${path#http://169.254.169.254/latest/}
case "$path" in
  api/token) echo token ;;
  meta-data/*)
    path=${path#meta-data/}
    cat "$KENNEL_MACHINE/metadata/${path//\\//%}" 2>/dev/null || exit 22 ;;
  *) exit 22 ;;
esac
""",
    "docker": """#!/bin/bash
# The engine. Its one image is the trainer of the working tree.
case "$1" in
  login) cat > /dev/null; exit ;;
  stop) kill "$(cat "$KENNEL_MACHINE/trainer.pid")"; exit ;;
  run) ;;
  *) exit ;;
esac
group='' stream=''
while [ "$1" != train ] && [ "$1" != package ]; do
  case "$1" in
    --env) export "${2?}"; shift ;;
    awslogs-group=*) group=${1#*=} ;;
    awslogs-stream=*) stream=${1#*=} ;;
  esac
  shift
done
export KENNEL_PORT=$KENNEL_MACHINE_PORT PYTHONUNBUFFERED=1
echo "$$" > "$KENNEL_MACHINE/trainer.pid"
[ -z "$stream" ] || exec >> "$KENNEL_MACHINE/streams/${group//\\//%}@$stream" 2>&1
exec "$KENNEL_PYTHON" -m trainer "$@"
""",
    "shutdown": """#!/bin/bash
# The end of the machine: now, or in so many minutes.
if [ "$2" = now ]; then
  touch "$KENNEL_MACHINE/off"
else
  (sleep $((${2#+} * 60)); touch "$KENNEL_MACHINE/off") < /dev/null > /dev/null 2>&1 &
fi
""",
}


@dataclass(frozen=True)
class Node:
    """What an instance is told of itself, and what it may do."""

    name: str
    script: str
    metadata: Mapping[str, str]  # by its path
    keys: Mapping[str, str]  # the variables of its role's credentials
    port: int  # where the trainers of its run meet


class Machine:
    def __init__(
        self,
        folder: Path,
        node: Node,
        log: Callable[[str, str], Stream] | None,
        off: Callable[[], None],
    ) -> None:
        self.name, self._folder, self._log, self._off = node.name, folder, log, off
        self._marks = marks_of(folder.parent) | {NAME: node.name}
        self._streams: dict[Path, tuple[Tail, Stream]] = {}
        for part in ("bin", "metadata", "ml", "streams"):
            (folder / part).mkdir(parents=True)
        for name, value in node.metadata.items():
            (folder / "metadata" / name.replace("/", "%")).write_text(f"{value}\n")
        for name, body in TOOLS.items():
            (folder / "bin" / name).write_text(body)
            (folder / "bin" / name).chmod(0o755)
        # The aws command is that of our own environment, where there is one.
        path = [str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        ours = {
            "PATH": os.pathsep.join(path),
            "KENNEL_INTERFACE": ProcessRunner.interface,
            "KENNEL_MACHINE": str(folder),
            "KENNEL_MACHINE_PORT": str(node.port),
            "KENNEL_ML_ROOT": str(folder / "ml"),
            "KENNEL_PYTHON": sys.executable,
        }
        with (folder / "boot.log").open("wb") as written:
            self._process = subprocess.Popen(
                ["bash", "-c", node.script.replace("/opt/ml", str(folder / "ml"))],
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                env=clean_environment() | ours | dict(node.keys) | self._marks,
                start_new_session=True,
            )
        threading.Thread(target=self._watch, name=node.name, daemon=True).start()

    def end(self) -> None:
        """The power goes off."""
        end(list(marked(self._marks)))

    def _watch(self) -> None:
        while not (self._folder / "off").exists() and self._lives():
            self._tell()
        self.end()
        self._tell(last=True)
        self._off()

    def _lives(self) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LOOK)
            return False
        return True

    def _tell(self, *, last: bool = False) -> None:
        """What its containers have written goes where their log driver sends it."""
        if self._log is None:
            return
        for path in (self._folder / "streams").iterdir():
            if path not in self._streams:
                group, _, stream = path.name.replace("%", "/").partition("@")
                self._streams[path] = (Tail(path), self._log(group, stream))
            tail, written = self._streams[path]
            written.write(tail.lines(last=last))


def marks_of(folder: Path) -> dict[str, str]:
    return {STATE: str(folder), KIND: "1"}


def end_all(folder: Path) -> None:
    """Those of an account, also of one that was killed."""
    end(list(marked(marks_of(folder))))


def tags(given: Mapping[str, str]) -> dict[str, str]:
    """As the metadata service has them: a list of names, and each under its own."""
    return {"tags/instance": "\n".join(given)} | {
        f"tags/instance/{name}": value for name, value in given.items()
    }
