"""A function in processes of its own, one request at a time in each, as Lambda runs it."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

MOST_BYTES = 6 * 1024 * 1024  # of an event and of an answer


class FunctionError(Exception):
    """The function gave no answer: it raised, ended or took too long."""


class TimedOut(FunctionError):
    """It took too long, and was ended."""


class Throttled(Exception):
    """As many requests are running as the function's concurrency allows."""


class TooLarge(Exception):
    """An event beyond Lambda's limit."""


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
        content = json.dumps(event)
        if len(content) > MOST_BYTES:
            raise TooLarge(f"the event has {len(content)} bytes; Lambda takes {MOST_BYTES}")
        line = json.dumps([event, request_id, self._timeout]).encode()
        if not self._free:
            raise Throttled
        self._free -= 1
        try:
            worker = self._idle.pop() if self._idle else await self._start()
            try:
                answer = await asyncio.wait_for(self._ask(worker, line), self._timeout)
            except BaseException:
                await end(worker)  # whatever it is doing, its answer belongs to nobody now
                raise
            self._idle.append(worker)
        except TimeoutError:
            raise TimedOut(f"no answer within {self._timeout} seconds") from None
        finally:
            self._free += 1
        if "error" in answer:
            raise FunctionError(f"{answer['error']['type']}: {answer['error']['message']}")
        return answer["result"]

    async def close(self) -> None:
        await asyncio.gather(*map(end, self._idle))
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
            limit=MOST_BYTES,
        )

    async def _ask(self, worker: Process, line: bytes) -> Any:
        assert worker.stdin is not None and worker.stdout is not None  # noqa: S101, PT018 - piped
        try:
            worker.stdin.write(line + b"\n")
            await worker.stdin.drain()
            answer = await worker.stdout.readline()
        except ConnectionError:
            answer = b""
        except ValueError:
            raise FunctionError(f"its answer has more than {MOST_BYTES} bytes") from None
        if not answer:
            raise FunctionError("the process of the function ended; its log says why")
        return json.loads(answer)


async def end(worker: Process) -> None:
    with suppress(ProcessLookupError):  # it may have ended by itself
        worker.kill()
    await worker.wait()
