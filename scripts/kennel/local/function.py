"""A function in processes of its own, one request at a time in each, as Lambda runs it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from kennel.local.environment import MOST_BYTES, Environment, Lost, TimedOut, Unready

ARN = "arn:aws:lambda:us-east-1:000000000000:function:invoke"


class FunctionError(Exception):
    """The function gave no answer: it raised, ended or took too long."""


class TookTooLong(FunctionError):
    """It gave none in time."""


class Throttled(Exception):
    """As many requests are running as the function's concurrency allows."""


class TooLarge(Exception):
    """An event beyond Lambda's limit."""


class Function:
    """The function in the working tree. What it writes goes to our standard error."""

    def __init__(
        self, handler: str, environment: Mapping[str, str], *, concurrency: int, timeout: float
    ) -> None:
        self._handler = handler
        self._environment = dict(environment)
        self._free = concurrency
        self._timeout = timeout
        self._idle: list[Environment] = []

    async def invoke(self, event: Mapping[str, Any], request_id: str) -> Any:
        """Run the handler on an event in an idle environment, or in a new one."""
        content = event_in_bytes(event)
        if not self._free:
            raise Throttled
        self._free -= 1
        try:
            async with asyncio.timeout(self._timeout):
                environment = self._idle.pop() if self._idle else await self._started()
            answer = await environment.run(
                content, request_id=request_id, arn=ARN, seconds=self._timeout
            )
        except (TimeoutError, TimedOut):
            raise TookTooLong(f"no answer within {self._timeout} seconds") from None
        except Lost as error:
            raise FunctionError(f"its process ended ({error}); its log says why") from None
        except Unready as error:
            raise FunctionError(f"it cannot be loaded: {error}") from None
        finally:
            self._free += 1
        self._idle.append(environment)
        return result_of(answer.body, failed=answer.failed)

    async def close(self) -> None:
        await asyncio.gather(*(each.end() for each in self._idle))
        self._idle.clear()

    async def _started(self) -> Environment:
        environment = await Environment.start(self._handler, self._environment)
        await environment.loaded(self._timeout)
        return environment


def event_in_bytes(event: Mapping[str, Any]) -> bytes:
    content = json.dumps(event).encode()
    if len(content) > MOST_BYTES:
        raise TooLarge(f"the event has {len(content)} bytes; Lambda takes {MOST_BYTES}")
    return content


def result_of(body: bytes, *, failed: bool) -> Any:
    """What the function returned; if it complains instead, raise FunctionError."""
    document = json.loads(body)
    if failed:
        raise FunctionError(f"{document['errorType']}: {document['errorMessage']}")
    return document
