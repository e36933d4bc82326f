"""A function in processes of its own, one request at a time in each, as Lambda runs it."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from typing import Any

MOST_BYTES = 6 * 1024 * 1024  # of an event and of an answer


class FunctionError(Exception):
    """The function gave no answer: it raised, ended or took too long."""


class Throttled(Exception):
    """As many requests are running as the function's concurrency allows."""


class TooLarge(Exception):
    """An event or an answer beyond Lambda's limit."""


class Function:
    def __init__(
        self, handler: str, environment: Mapping[str, str], *, concurrency: int, timeout: float
    ) -> None:
        self._handler = handler
        self._environment = dict(environment)
        self._free = concurrency
        self._timeout = timeout
        self._idle: list[Process] = []

    async def invoke(self, event: Mapping[str, Any], request_id: str) -> Any:
        """Run the handler on an event in an idle worker, or in a new one."""
        line = json.dumps({"event": event, "request_id": request_id}).encode()
        if len(line) > MOST_BYTES:
            raise TooLarge(f"the event has {len(line)} bytes; Lambda takes {MOST_BYTES}")
        if not self._free:
            raise Throttled
        self._free -= 1
        try:
            worker = self._idle.pop() if self._idle else await self._start()
            try:
                answer = await asyncio.wait_for(self._ask(worker, line), self._timeout)
            except BaseException:
                worker.kill()  # whatever it is doing, its answer belongs to nobody now
                await worker.wait()
                raise
            self._idle.append(worker)
        except TimeoutError:
            raise FunctionError(f"no answer within {self._timeout} seconds") from None
        finally:
            self._free += 1
        if "error" in answer:
            raise FunctionError(f"{answer['error']['type']}: {answer['error']['message']}")
        return answer["result"]

    async def close(self) -> None:
        for worker in self._idle:
            worker.kill()
        await asyncio.gather(*(worker.wait() for worker in self._idle))
        self._idle.clear()

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "kennel.local.worker",
            self._handler,
            stdin=PIPE,
            stdout=PIPE,
            env=self._environment,
            limit=2 * MOST_BYTES,
        )

    async def _ask(self, worker: Process, line: bytes) -> Any:
        assert worker.stdin is not None and worker.stdout is not None  # noqa: S101, PT018 - piped
        worker.stdin.write(line + b"\n")
        await worker.stdin.drain()
        answer = await worker.stdout.readline()
        if not answer:
            raise FunctionError("the process of the function ended; its log says why")
        return json.loads(answer)
