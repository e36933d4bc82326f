"""Lambda's execution environment: a process that has loaded a handler and runs it, call by call."""

import asyncio
import itertools
import json
import math
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from kennel.local import worker

MOST_BYTES = 6 * 1024 * 1024  # of an event and of an answer
WATCHED_EVERY = 0.02  # seconds between looks at a busy environment's memory
SPARE = 512  # megabytes by which the kernel's guard lies above the limit that is watched


class Lost(Exception):
    """The environment is gone, and with it the call."""


class TimedOut(Lost):
    """It took too long, and was ended."""


class OutOfMemory(Lost):
    """It took more memory than the function has, and was ended."""


class Unready(Exception):
    """The handler could not be loaded; `document` says why, as a caller gets it."""

    def __init__(self, document: bytes) -> None:
        super().__init__(document.decode())
        self.document = document


@dataclass(frozen=True)
class Answer:
    body: bytes  # JSON
    failed: bool  # then it is the complaint: errorType, errorMessage, stackTrace


class Environment:
    """Made by `start`. What it writes is `written()`, unless it shares our standard error."""

    def __init__(self, process: Process, log: IO[bytes] | None, megabytes: int | None) -> None:
        self._process = process
        self._log = log
        self._megabytes = megabytes
        self._psutil: psutil.Process | None = None
        with suppress(psutil.NoSuchProcess):  # it may have ended already, and left its answer
            self._psutil = psutil.Process(process.pid)
        self.most_memory = 0  # bytes
        self.alive = True

    @classmethod
    async def start(
        cls,
        handler: str,
        variables: Mapping[str, str],
        *,
        folder: Path | None = None,
        megabytes: int | None = None,
        logged: bool = False,
    ) -> "Environment":
        """Start loading the handler. `logged` keeps what it writes, for `written`."""
        # An unnamed file: all that was written before an answer is in it when the answer comes.
        log = tempfile.TemporaryFile("a+b", buffering=0) if logged else None  # noqa: SIM115
        limit = [str(megabytes + SPARE)] if megabytes else []
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-u", "-P", worker.__file__, handler, *limit),
            stdin=PIPE,
            stdout=PIPE,
            stderr=log,
            env=dict(variables),
            cwd=folder,
        )
        return cls(process, log, megabytes)

    async def loaded(self, seconds: float) -> None:
        """Wait until it is ready. Raises Unready, or Lost like `run`."""
        answer = await self._within(self._receive(), seconds)
        if answer.failed:
            await self.end()
            raise Unready(answer.body)

    async def run(self, event: bytes, *, request_id: str, arn: str, seconds: float) -> Answer:
        """Run the handler on an event. After TimedOut, OutOfMemory or Lost it is of no more use."""
        head = {"id": request_id, "arn": arn, "seconds": seconds, "bytes": len(event)}
        return await self._within(self._ask(json.dumps(head).encode() + b"\n" + event), seconds)

    def written(self) -> str:
        """What it has written since it was last asked."""
        if self._log is None:
            return ""
        self._log.seek(0)
        text = self._log.read()
        os.ftruncate(self._log.fileno(), 0)  # it appends, so its next byte is the first again
        return text.decode(errors="replace")

    async def end(self) -> None:
        self.alive = False
        for each in self._descendants():
            with suppress(psutil.NoSuchProcess):
                each.kill()
        with suppress(ProcessLookupError):  # it may have ended by itself
            self._process.kill()
        await self._process.wait()

    def _descendants(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            return self._psutil.children(recursive=True) if self._psutil else []
        return []

    async def _within(self, work: Any, seconds: float) -> Answer:
        """Do the work under the limits; break them, and the process is ended."""
        task = asyncio.ensure_future(work)
        watch = asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait({task, watch}, timeout=seconds, return_when="FIRST_COMPLETED")
            if watch.done():
                raise OutOfMemory(f"more than {self._megabytes} MB of memory")
            if not task.done():
                raise TimedOut(f"no answer within {seconds:g} seconds")
            return task.result()  # type: ignore[no-any-return]
        except BaseException:
            await self.end()  # whatever it is doing, its answer belongs to nobody now
            raise
        finally:
            for each in (task, watch):
                each.cancel()
            await asyncio.gather(task, watch, return_exceptions=True)

    async def _watch(self) -> None:
        """Return when it takes more memory than it has, with all that it started."""
        theirs = 0
        for look in itertools.count():
            if look % 10 == 5:  # seldom, and in no short call: to find children takes its time
                theirs = sum(own_memory(each) for each in self._descendants())
            with suppress(psutil.Error):
                own = self._psutil.memory_info().rss if self._psutil else 0
                self.most_memory = max(self.most_memory, own + theirs)
            if self.most_memory > (self._megabytes or math.inf) * 2**20:
                return
            await asyncio.sleep(WATCHED_EVERY)

    async def _ask(self, message: bytes) -> Answer:
        assert self._process.stdin is not None  # noqa: S101 - piped
        try:
            self._process.stdin.write(message)
            await self._process.stdin.drain()
        except ConnectionError:
            raise Lost(await self._last_words()) from None
        return await self._receive()

    async def _receive(self) -> Answer:
        assert self._process.stdout is not None  # noqa: S101 - piped
        try:
            head = json.loads(await self._process.stdout.readline())
            body = await self._process.stdout.readexactly(min(head["bytes"], MOST_BYTES))
        except (ValueError, asyncio.IncompleteReadError):
            raise Lost(await self._last_words()) from None
        return Answer(body, head["failed"])

    async def _last_words(self) -> str:
        code = await self._process.wait()
        return "signal: killed" if code < 0 else f"exit status {code}"


def own_memory(child: psutil.Process) -> int:
    """Without what it has in common with its parent, which is counted there."""
    with suppress(psutil.Error):
        return int(child.memory_full_info().uss)
    return 0
