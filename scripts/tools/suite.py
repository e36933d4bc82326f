"""Run the tests: files from one queue, in pytest processes side by side.

    python scripts/tools/suite.py              what `make test` runs
    python scripts/tools/suite.py --long       what `make test-all` adds
    python scripts/tools/suite.py --changed    the files that the change since main can break
    python scripts/tools/suite.py --record     also write tests/durations.json

Each process asks for a file when it has none (suite_worker.py is its half), so that the first
result comes before the last file is read. After a short one come the longest, by
tests/durations.json. All wait for the longest in the end: it has a process of its own from the
start, and the others leave the processor to it.
Files that use the Docker engine never run side by side, but for the longest, whose images have
names of their own; files that share an expensive fixture go to one process.
"""

import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from changed import changed_tests

ROOT = Path(__file__).resolve().parents[2]
DURATIONS = ROOT / "tests/durations.json"
KINDS = ("unit", "contract", "security", "terraform", "e2e")
PROCESSES = min(6, (os.cpu_count() or 1) + 1)  # one more than can compute: tests wait, too
SLOWEST = 25
FIRST = "tests/unit/function/test_settings.py"  # imports nothing that takes seconds
USES_DOCKER = re.compile(r"\bdocker: str\b")
HAS_ITS_OWN_IMAGES = "tests/e2e/local/test_documents.py"  # and would keep all others waiting
USES_PLANS = re.compile(r"\b(plans|plan_files|roots): ")  # tests/terraform/conftest.py makes them
OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # tests start make as it is typed in a shell
NICE = ["nice", "-n", "3"]  # before the command of a process that leaves the processor to others
INTERRUPTED = 2  # pytest's exit code after Ctrl-C
UNKNOWN = 10.0  # seconds that a file without a record is expected to take

Message = dict[str, Any]


def all_tests() -> list[str]:
    found = (path for kind in KINDS for path in (ROOT / "tests" / kind).rglob("test_*.py"))
    return sorted(str(path.relative_to(ROOT)) for path in found)


def recorded() -> dict[str, list[float]]:
    """Return the seconds of each file: of its tests in `make test`, and of its long ones."""
    known: dict[str, list[float]] = json.loads(DURATIONS.read_text())
    return known


@dataclass
class Group:
    """Files that one process runs, one after the other."""

    files: list[str]
    seconds: float
    uses_docker: bool


def groups(files: Sequence[str], *, is_long: bool) -> list[Group]:
    """Return the groups, the longest first, but for the one that gives a result in seconds."""
    members: dict[str, list[str]] = defaultdict(list)
    for file in files:
        text = (ROOT / file).read_text()
        members["plans" if USES_PLANS.search(text) else file].append(file)
    known = recorded()
    made = [
        Group(
            each,
            sum(known[file][is_long] if file in known else UNKNOWN for file in each),
            any(uses_docker(file) for file in each),
        )
        for each in members.values()
    ]
    return sorted(made, key=lambda group: (FIRST not in group.files, -group.seconds))


def uses_docker(file: str) -> bool:
    """Whether a file must have the Docker engine for itself."""
    text = (ROOT / file).read_text()
    return file != HAS_ITS_OWN_IMAGES and bool(USES_DOCKER.search(text))


class Queue:
    """The groups that no process has taken yet."""

    def __init__(self, waiting: list[Group]) -> None:
        self._waiting = waiting
        self._changed = threading.Condition()
        self._docker_is_busy = False
        self.waited = 0.0  # seconds that processes waited for the Docker engine

    def clear(self) -> None:
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()

    def take(self) -> Iterator[str]:
        """Yield files until there are none left."""
        while group := self._next():
            yield from self._files_of(group)

    def claim(self, group: Group) -> Iterator[str]:
        """Take a waiting group at once; return its files, then those that `take` yields."""
        self._remove(group)
        return chain(self._files_of(group), self.take())

    def _remove(self, group: Group) -> None:
        self._waiting.remove(group)
        self._docker_is_busy |= group.uses_docker

    def _files_of(self, group: Group) -> Iterator[str]:
        yield from group.files
        with self._changed:
            if group.uses_docker:
                self._docker_is_busy = False
            self._changed.notify_all()

    def _next(self) -> Group | None:
        began = time.monotonic()
        with self._changed:
            while self._waiting:
                for group in self._waiting:
                    if not (group.uses_docker and self._docker_is_busy):
                        self._remove(group)
                        self.waited += time.monotonic() - began
                        return group
                self._changed.wait()
        self.waited += time.monotonic() - began
        return None


@dataclass
class Results:
    """What the processes have reported."""

    out: threading.Lock = field(default_factory=threading.Lock)
    outcomes: Counter[str] = field(default_factory=Counter)
    tests: dict[str, float] = field(default_factory=dict)  # seconds of each
    files: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)  # of skipped tests

    def add(self, message: Message) -> None:
        with self.out:
            match message["kind"]:
                case "outcome":
                    self.tests[message["test"]] = message["seconds"]
                    self.outcomes[message["outcome"]] += 1
                    if message["outcome"] == "skipped":
                        self.reasons[message["text"]] += 1
                    elif message["outcome"] == "failed":
                        self.fail(message["test"], message["text"])
                case "file":
                    self.files[message["file"]] = message["seconds"]
                    if message["tests"]:
                        tests, seconds = message["tests"], message["seconds"]
                        print(f"{tests:>4} in {seconds:6.1f} s  {message['file']}", flush=True)

    def fail(self, test: str, text: str) -> None:
        self.failures.append(test)
        print(f"\nFAILED {test}\n{text}\n", flush=True)


def run_process(
    queue: Queue, files: Iterator[str], results: Results, command: Sequence[str]
) -> None:
    """Run one pytest process; where it ends too early, another one for what is left."""
    while code := serve(files, results, command):
        if code == INTERRUPTED:
            queue.clear()
            return


def serve(files: Iterator[str], results: Results, command: Sequence[str]) -> int:
    """Give files to one process until none is left. Return an error code if it ended before."""
    ours, theirs = socket.socketpair()
    outside = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
    environment = {**outside, "PYTHONPATH": str(Path(__file__).parent)}
    file = ""
    with ours, theirs, tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [*command, "--queue", str(theirs.fileno())],
            cwd=ROOT,
            env=environment,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        theirs.close()
        for line in ours.makefile():
            message: Message = json.loads(line)
            if message["kind"] == "next":
                file = next(files, "")
                ours.sendall(f"{file}\n".encode())
            else:
                results.add(message)
        code = process.wait()
        if file or code not in (0, 1, 5):
            output.seek(0)
            with results.out:
                results.fail(file or "pytest", f"exit code {code}\n{output.read()[-5000:]}")
    return (code or 1) if file else 0


def report(results: Results, queue: Queue, seconds: float) -> None:
    tests, kinds = results.tests, defaultdict[str, list[float]](list)
    for test, took in tests.items():
        kinds[test.split("/")[1]].append(took)
    slowest = sorted(tests.items(), key=lambda item: -item[1])[:SLOWEST]
    print(f"\nThe {len(slowest)} slowest tests")
    for test, took in slowest:
        print(f"{took:8.1f} s  {test}")
    print("\nBy kind")
    for kind, each in sorted(kinds.items(), key=lambda item: -sum(item[1])):
        print(f"{sum(each):8.1f} s  {len(each):>5} tests  {kind}")
    for reason, count in results.reasons.items():
        print(f"skipped {count}: {reason}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"\n{seconds:.0f} s, {used.ru_utime + used.ru_stime:.0f} CPU-s without the Docker engine; "
        f"waited {queue.waited:.0f} s for the Docker engine or the last file"
    )
    for test in results.failures:
        print(f"FAILED {test}")
    counts = results.outcomes
    print(f"{counts['passed']} passed, {len(results.failures)} failed, {counts['skipped']} skipped")


def record(results: Results, *, is_long: bool) -> None:
    """Write the seconds of the files that were run; forget files that are gone."""
    known = {file: took for file, took in recorded().items() if (ROOT / file).exists()}
    for file, seconds in results.files.items():
        known.setdefault(file, [0.0, 0.0])[is_long] = round(seconds, 1)
    lines = (f"  {json.dumps(file)}: {json.dumps(took)}" for file, took in sorted(known.items()))
    DURATIONS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> int:
    parser = ArgumentParser(description="Run the tests from one queue.")
    parser.add_argument("--long", action="store_true", help="only the tests marked long")
    parser.add_argument("--changed", nargs="?", const="main", help="since where (main)")
    parser.add_argument("--record", action="store_true", help="write tests/durations.json")
    options = parser.parse_args()
    files = all_tests()
    if options.changed:
        files = changed_tests(options.changed, files)
        print("\n".join(files) or "No test depends on what has changed.", flush=True)
    if not files:
        return 0

    began, results = time.monotonic(), Results()
    waiting = groups(files, is_long=options.long)
    queue, longest = Queue(waiting), max(waiting, key=lambda group: group.seconds)
    command = [sys.executable, "-m", "pytest", "-p", "suite_worker"]
    command += [*(["--long"] if options.long else []), *files]
    every = [(command, queue.claim(longest))]
    every += [([*NICE, *command], queue.take()) for _ in range(PROCESSES - 1)]
    processes = [
        threading.Thread(target=run_process, args=(queue, files, results, command))
        for command, files in every
    ]
    for each in processes:
        each.start()
    try:
        for each in processes:
            each.join()
    except KeyboardInterrupt:  # the terminal's Ctrl-C has reached the processes too
        queue.clear()
        for each in processes:
            each.join()
        return 130
    for file in files:
        if file not in results.files and file not in results.failures:
            results.fail(file, "no process has run it")
    report(results, queue, time.monotonic() - began)
    if options.record:
        record(results, is_long=options.long)
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
