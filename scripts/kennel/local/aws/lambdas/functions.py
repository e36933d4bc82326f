"""Lambda's functions: what was uploaded, run in processes under the limits that Lambda has.

A version has environments of its own, each for one call at a time, and starts another when all are
busy, as far as its concurrency goes. Provisioned concurrency starts them beforehand.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html

All of it happens in the background's loop; other threads go through `Background.run`.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.awslambda.models import LambdaBackend, LambdaFunction, lambda_backends

from kennel.local.aws.background import Background
from kennel.local.aws.house import House
from kennel.local.aws.lambdas.outcome import Outcome
from kennel.local.aws.lambdas.provisioned import Provisioned
from kennel.local.aws.lambdas.sandbox import Sandbox, Version

ACCOUNT_CONCURRENCY = 1000
LATEST = "$LATEST"
log = logging.getLogger("kennel.functions")


class Throttled(Exception):
    """No environment may be started for this call; the message is Lambda's name for the reason."""


class Functions:
    def __init__(self, house: House, background: Background) -> None:
        self.background = background
        self._house = house
        self._folder = house.folder("functions")
        self._idle: dict[Version, list[Sandbox]] = {}
        self._busy: Counter[str] = Counter()  # calls on demand, by function
        self._provisioned: dict[tuple[str, str], Provisioned] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def invoke(self, name: str, qualifier: str, event: bytes, request_id: str) -> Outcome:
        """Run a function. Raises moto's error if there is none, Throttled if it is too busy."""
        version = self._version(self._routed(name, qualifier))
        provisioned = self._provisioned.get((name, qualifier))
        if provisioned and (sandbox := provisioned.take(version)):
            try:
                return await sandbox.call(event, request_id)
            finally:
                if not await provisioned.give_back(sandbox):
                    self._soon(self._fill(name, qualifier))
        with self._admitted(name):
            sandbox = await self._spare(version) or Sandbox(self._house, version)
            try:
                return await sandbox.call(event, request_id)
            finally:
                if sandbox.alive:
                    self._idle.setdefault(version, []).append(sandbox)

    async def invoke_later(self, name: str, qualifier: str, event: bytes, request_id: str) -> None:
        """Run a function for nobody in particular. It is tried once."""
        self._routed(name, qualifier)
        self._soon(self.invoke(name, qualifier, event, request_id))

    async def provision(self, name: str, qualifier: str, count: int) -> Provisioned:
        """Keep so many environments ready under an alias or a version."""
        provisioned = self._provisioned.get((name, qualifier)) or Provisioned(self._house)
        self._provisioned[name, qualifier] = provisioned
        provisioned.ask(count)
        self._soon(self._fill(name, qualifier))
        return provisioned

    async def unprovision(self, name: str, qualifier: str) -> None:
        if provisioned := self._provisioned.pop((name, qualifier), None):
            await provisioned.close()

    def provisioned(self, name: str) -> dict[str, Provisioned]:
        """By alias or version."""
        return {
            qualifier: each
            for (function, qualifier), each in self._provisioned.items()
            if function == name
        }

    async def refresh(self, name: str = "") -> None:
        """Let provisioned environments follow their alias; without a name, those of all."""
        for function, qualifier in self._provisioned:
            if name in ("", function):
                self._soon(self._fill(function, qualifier))

    async def forget(self, name: str) -> None:
        """End what waits for calls of a function that is no more."""
        for qualifier in self.provisioned(name):
            await self.unprovision(name, qualifier)
        await self._retire(each for each in list(self._idle) if each.name == name)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(each.close() for each in self._provisioned.values()))
        await self._retire(list(self._idle))

    @property
    def _backend(self) -> LambdaBackend:
        return lambda_backends[self._house.account][self._house.region]

    def _routed(self, name: str, qualifier: str) -> LambdaFunction:
        """The version behind an alias, drawn by the weights that it may have."""
        function = self._backend.get_function(name, qualifier)
        for alias in self._backend.list_aliases(name):
            if alias.name == qualifier:
                drawn = random.random()  # noqa: S311 - which version answers is no secret
                for number, weight in weights_of(alias.routing_config).items():
                    drawn -= weight
                    if drawn < 0:
                        return self._backend.get_function(name, number)
        return function

    def _version(self, function: LambdaFunction) -> Version:
        return Version.of(function, self._folder)

    @contextmanager
    def _admitted(self, name: str) -> Iterator[None]:
        """Count a call on demand, if there may be one more."""
        reserved = self._reserved()
        if name in reserved:
            limit, shared = reserved[name], {name}
            reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
        else:
            limit = ACCOUNT_CONCURRENCY - sum(reserved.values())
            shared = {each.function_name for each in self._backend.list_functions()} - set(reserved)
            reason = "ConcurrentInvocationLimitExceeded"
        kept = sum(each.requested for (n, _), each in self._provisioned.items() if n in shared)
        if sum(self._busy[each] for each in shared) >= limit - kept:
            raise Throttled(reason)
        self._busy[name] += 1
        try:
            yield
        finally:
            self._busy[name] -= 1

    def _reserved(self) -> dict[str, int]:
        """Reserved concurrency, by function."""
        return {
            each.function_name: int(each.reserved_concurrency)
            for each in self._backend.list_functions()
            if each.reserved_concurrency is not None
        }

    async def _spare(self, version: Version) -> Sandbox | None:
        """An idle environment. Those of what the version was before (only $LATEST changes) end."""
        older = [each for each in self._idle if each.arn == version.arn and each != version]
        await self._retire(older)
        idle = self._idle.get(version)
        return idle.pop() if idle else None

    async def _retire(self, versions: Iterable[Version]) -> None:
        runnings = [sandbox for each in versions for sandbox in self._idle.pop(each, [])]
        await asyncio.gather(*(each.end() for each in runnings))

    async def _fill(self, name: str, qualifier: str) -> None:
        provisioned = self._provisioned.get((name, qualifier))
        if provisioned and not self._house.journal.repeating:
            await provisioned.fill(self._version(self._backend.get_function(name, qualifier)))

    def _soon(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do the work without waiting for it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("%s", error, exc_info=error)


def weights_of(routing: Any) -> dict[str, float]:
    return (routing or {}).get("AdditionalVersionWeights") or {}
