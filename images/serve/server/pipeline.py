"""A request's way: admission, decoding in a pool, a batch, the engine, and its own result back."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from server.batching import Queue, Waiting
from server.errors import Late, Overloaded
from server.settings import Settings

log = logging.getLogger("server")
Square = NDArray[np.uint8]
Scores = NDArray[np.float32]
Decode = Callable[[bytes], Square]
BEYOND_HELP = 5  # failures in a row


class Engine(Protocol):
    """What runs the network: blocking, called from one thread for each of its streams."""

    def infer(self, batch: Square) -> Scores:
        """Scores N x C for pixels N x H x W x 3."""


@dataclass
class Stages:
    """Milliseconds that one request spent where, for its log line."""

    decode: float = 0.0
    queue: float = 0.0
    infer: float = 0.0
    batch: int = 0


@dataclass
class Health:
    """What `/ping` wants to know of the engine."""

    last_answer: float = field(default_factory=time.monotonic)
    running_since: dict[int, float] = field(default_factory=dict)
    failures: int = 0  # in a row

    def reason(self, now: float, patience: float) -> str:
        """Why the engine is not fit, or nothing."""
        if self.failures:
            return f"the engine failed {self.failures} times in a row"
        stuck = now - min(self.running_since.values(), default=now)
        return f"the engine has not answered for {stuck:.0f} s" if stuck > patience else ""


class Pipeline:
    def __init__(self, settings: Settings, decode: Decode, engine: Engine) -> None:
        self._settings = settings
        self._decode = decode
        self._engine = engine
        self._decoders = ThreadPoolExecutor(settings.decoders, "decode")
        self._streams = ThreadPoolExecutor(settings.streams, "engine")
        self._free = settings.streams
        self._queue: Queue[tuple[Square, Stages, float], asyncio.Future[Scores]]
        self._queue = Queue(settings.most_batch)
        self._running: set[asyncio.Task[None]] = set()
        self.inside = 0
        self.health = Health()
        self.broken = asyncio.Event()

    async def classify(self, content: bytes, stages: Stages) -> Scores:
        """The scores of one picture. Cancelled, it gives up its place wherever it is by then."""
        if self.inside >= self._settings.most_requests:
            raise Overloaded(f"{self.inside} requests are waiting already: try again later")
        self.inside += 1
        deadline = time.monotonic() + self._settings.seconds
        try:
            async with asyncio.timeout(self._settings.seconds):
                square = await self._decoded(content, stages)
                return await self._scores(square, stages, deadline)
        except TimeoutError:
            raise Late(f"no answer within {self._settings.seconds:g} s: try again later") from None
        finally:
            self.inside -= 1

    async def _decoded(self, content: bytes, stages: Stages) -> Square:
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        square = await loop.run_in_executor(self._decoders, self._decode, content)
        stages.decode = (time.monotonic() - began) * 1000
        return square

    async def _scores(self, square: Square, stages: Stages, deadline: float) -> Scores:
        ticket: asyncio.Future[Scores] = asyncio.get_running_loop().create_future()
        self._queue.add(Waiting((square, stages, time.monotonic()), ticket, deadline))
        self._start_batches()
        return await ticket

    def _start_batches(self) -> None:
        """Give each idle stream what waits."""
        while self._free and len(self._queue):
            batch = self._queue.take(time.monotonic())
            for entry in batch.late:
                entry.ticket.set_exception(Late("the request waited too long: try again later"))
            if batch.entries:
                self._free -= 1
                task = asyncio.create_task(self._run(batch.entries))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _run(
        self, entries: list[Waiting[tuple[Square, Stages, float], asyncio.Future[Scores]]]
    ) -> None:
        began = time.monotonic()
        for entry in entries:
            _, stages, queued = entry.item
            stages.queue, stages.batch = (began - queued) * 1000, len(entries)
        try:
            results = await self._infer([entry.item[0] for entry in entries])
        finally:
            self._free += 1
        for entry, result in zip(entries, results, strict=True):
            entry.item[1].infer = (time.monotonic() - began) * 1000
            if entry.ticket.done():
                continue
            if isinstance(result, Exception):
                entry.ticket.set_exception(result)
            else:
                entry.ticket.set_result(result)
        self._start_batches()

    async def _infer(self, squares: list[Square]) -> list[Scores | Exception]:
        """A result for each; where a batch fails, each alone, so that none suffers for another."""
        try:
            scores = await self._call(np.stack(squares))
        except Exception as error:
            if len(squares) == 1:
                log.exception("the engine failed")
                return [error]
            log.warning("the engine failed on %d pictures together; trying each", len(squares))
            return [result for square in squares for result in await self._infer([square])]
        return list(scores)

    async def _call(self, batch: Square) -> Scores:
        key, loop = id(batch), asyncio.get_running_loop()
        self.health.running_since[key] = time.monotonic()
        try:
            scores = await loop.run_in_executor(self._streams, self._engine.infer, batch)
        except Exception:
            self.health.failures += 1
            if self.health.failures >= BEYOND_HELP:
                self.broken.set()
            raise
        finally:
            del self.health.running_since[key]
        if len(scores) != len(batch):
            raise RuntimeError(f"the engine gave {len(scores)} results for {len(batch)} pictures")
        self.health.failures = 0
        self.health.last_answer = time.monotonic()
        return scores

    async def probe(self, size: int) -> None:
        """Ask the engine itself, on its own threads, whether it still answers."""
        await self._call(np.zeros((1, size, size, 3), np.uint8))

    def close(self) -> None:
        self._decoders.shutdown(wait=False, cancel_futures=True)
        self._streams.shutdown(wait=False, cancel_futures=True)
