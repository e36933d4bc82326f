"""Provisioned concurrency: environments that are loaded before anyone calls."""

import asyncio
import time

from kennel.local.aws.house import House
from kennel.local.aws.lambdas.sandbox import Sandbox, Version
from kennel.local.environment import Lost, Unready

INIT_SECONDS = 130.0  # for loading the handler, or the function's timeout if that is more


class Provisioned:
    """The environments of one alias or version."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.requested = 0
        self.changed = time.time()
        self.status = "IN_PROGRESS"
        self.reason = ""
        self._all: list[Sandbox] = []
        self._idle: list[Sandbox] = []
        self._filling = asyncio.Lock()

    @property
    def available(self) -> int:
        return sum(each.alive for each in self._all)

    def ask(self, count: int) -> None:
        self.requested, self.changed, self.status = count, time.time(), "IN_PROGRESS"

    def take(self, version: Version) -> Sandbox | None:
        """An idle environment of this version."""
        for sandbox in self._idle:
            if sandbox.version == version:
                self._idle.remove(sandbox)
                return sandbox
        return None

    async def give_back(self, sandbox: Sandbox) -> bool:
        """After a call; whether the environment is of further use."""
        if not sandbox.alive:
            return False
        if sandbox in self._all:
            self._idle.append(sandbox)
        else:
            await sandbox.end()  # it was let go meanwhile
        return True

    async def fill(self, version: Version) -> None:
        """Make there be as many environments of this version as are asked for."""
        async with self._filling:
            self.status = "IN_PROGRESS"
            fit = [each for each in self._all if each.alive and each.version == version]
            wanted = self.requested - len(fit)
            begun = await asyncio.gather(*(self._begun(version) for _ in range(wanted)))
            good = [each for each in begun if each]
            self.status = "READY" if len(good) == len(begun) else "FAILED"
            self.reason = "" if self.status == "READY" else "FUNCTION_ERROR_INIT_FAILURE"
            self._idle += good
            await self._keep([*fit, *good][: self.requested])

    async def close(self) -> None:
        await self._keep([])

    async def _keep(self, kept: list[Sandbox]) -> None:
        """End all others, but not what a call runs in."""
        dropped = [each for each in self._idle if each not in kept]
        self._all, self._idle = kept, [each for each in self._idle if each in kept]
        await asyncio.gather(*(each.end() for each in dropped))

    async def _begun(self, version: Version) -> Sandbox | None:
        sandbox = Sandbox(self._house, version, "provisioned-concurrency")
        try:
            await sandbox.load(max(INIT_SECONDS, version.timeout))
        except (Lost, Unready):
            return None
        return sandbox
