"""A request's way: decoding in a pool, a batch, the engine, its own result back, encoding."""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from server.batching import Queue, Waiting
from server.errors import Late, told
from server.invocation import Invocation, Reply
from server.settings import Settings

log = logging.getLogger("server")
BEYOND_HELP = 5  # failures in a row


class Handler(Protocol):
    """What happens to requests; decode and predict are called from threads of their own."""

    @property
    def batches(self) -> bool:
        """Whether predict takes more than one at a time."""

    @property
    def queues(self) -> bool:
        """Whether predict may be called once more for each stream, and waits inside until one is
        free: the engine then never waits for this process between two batches."""

    @property
    def encodes_at_once(self) -> bool:
        """Whether encode takes less time than to have a thread do it."""

    @property
    def example(self) -> Any | None:
        """What predict takes, to ask it whether it still answers."""

    def decode(self, invocation: Invocation) -> Any: ...

    def predict(self, items: Sequence[Any]) -> Sequence[Any]: ...

    def encode(self, prediction: Any, invocation: Invocation) -> Reply: ...


@dataclass
class Stages:
    """Milliseconds that one request spent where, for its log line."""

    decode: float = 0.0
    queue: float = 0.0
    infer: float = 0.0
    encode: float = 0.0
    batch: int = 0


@dataclass
class Health:
    """What `/ping` wants to know of the engine."""

    last_answer: float = field(default_factory=time.monotonic)
    running_since: dict[int, float] = field(default_factory=dict)
    failures: int = 0  # in a row

    def reason(self, now: float, patience: float) -> str:
        """Why the engine is not fit, or nothing."""
        if self.failures >= BEYOND_HELP:
            return f"the engine failed {self.failures} times in a row"
        stuck = now - min(self.running_since.values(), default=now)
        return f"the engine has not answered for {stuck:.0f} s" if stuck > patience else ""


class Pipeline:
    def __init__(self, settings: Settings, handler: Handler) -> None:
        self._seconds = settings.seconds
        self._handler = handler
        self._decoders = ThreadPoolExecutor(settings.decoders, "decode")
        calls = settings.streams * (2 if handler.queues else 1)
        self._engine = ThreadPoolExecutor(calls, "engine")
        # Apart from the decoders: an answer that is ready shall not wait behind new requests.
        self._encoder = ThreadPoolExecutor(1, "encode")
        self._free = calls
        self._queue: Queue[tuple[Any, Stages, float], asyncio.Future[Any]]
        self._queue = Queue(settings.most_batch if handler.batches else 1, calls)
        self._running: set[asyncio.Task[None]] = set()
        self.health = Health()
        self.broken = asyncio.Event()

    async def answer(self, invocation: Invocation, stages: Stages) -> Reply:
        """The answer to one request. Cancelled, it gives up its place wherever it is by then."""
        deadline = time.monotonic() + self._seconds
        try:
            async with asyncio.timeout(self._seconds):
                item = await self._decoded(invocation, stages)
                prediction = await self._predicted(item, stages, deadline)
                return await self._encoded(prediction, invocation, stages)
        except TimeoutError:
            raise Late(f"no answer within {self._seconds:g} s: try again later") from None

    async def _decoded(self, invocation: Invocation, stages: Stages) -> Any:
        began, loop = time.monotonic(), asyncio.get_running_loop()
        # Cancelled before a thread takes it, it is not decoded at all.
        item = await loop.run_in_executor(self._decoders, self._handler.decode, invocation)
        stages.decode = (time.monotonic() - began) * 1000
        return item

    async def _encoded(self, prediction: Any, invocation: Invocation, stages: Stages) -> Reply:
        began, loop = time.monotonic(), asyncio.get_running_loop()
        encode = self._handler.encode
        if self._handler.encodes_at_once:
            reply = encode(prediction, invocation)
        else:
            reply = await loop.run_in_executor(self._encoder, encode, prediction, invocation)
        stages.encode = (time.monotonic() - began) * 1000
        return reply

    async def _predicted(self, item: Any, stages: Stages, deadline: float) -> Any:
        ticket: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.add(Waiting((item, stages, time.monotonic()), ticket, deadline))
        self._start_batches()
        return await ticket

    def _start_batches(self) -> None:
        """Give the engine what waits, as far as it takes more."""
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
        self, entries: list[Waiting[tuple[Any, Stages, float], asyncio.Future[Any]]]
    ) -> None:
        began = time.monotonic()
        for entry in entries:
            _, stages, queued = entry.item
            stages.queue, stages.batch = (began - queued) * 1000, len(entries)
        try:
            results = await self._infer([entry.item[0] for entry in entries])
        finally:
            self._free += 1
            self._start_batches()  # before the answers are written: the engine shall not wait
        for entry, result in zip(entries, results, strict=True):
            entry.item[1].infer = (time.monotonic() - began) * 1000
            if entry.ticket.done():
                continue
            if isinstance(result, Exception):
                entry.ticket.set_exception(result)
            else:
                entry.ticket.set_result(result)

    async def _infer(self, items: list[Any]) -> list[Any]:
        """A result for each; where a batch fails, each alone, so that none suffers for another."""
        try:
            return list(await self._call(items))
        except Exception as error:
            if len(items) == 1:
                if not told(error):
                    log.exception("the engine failed")
                return [error]
            log.warning("the engine failed on %d requests together; trying each", len(items))
            return [result for item in items for result in await self._infer([item])]

    async def _call(self, items: list[Any]) -> Sequence[Any]:
        key, loop = id(items), asyncio.get_running_loop()
        self.health.running_since[key] = time.monotonic()
        try:
            results = await loop.run_in_executor(self._engine, self._predict, items)
        except Exception as error:
            if not told(error):  # what a handler tells a client is an answer too
                self.health.failures += 1
                if self.health.failures >= BEYOND_HELP:
                    self.broken.set()
            raise
        finally:
            del self.health.running_since[key]
        self.health.failures = 0
        self.health.last_answer = time.monotonic()
        return results

    def _predict(self, items: list[Any]) -> Sequence[Any]:
        try:
            results = self._handler.predict(items)
        except SystemExit as error:
            raise RuntimeError("the handler wanted to end the server") from error
        if len(results) != len(items):
            raise RuntimeError(f"the engine gave {len(results)} results for {len(items)} requests")
        return results

    async def probe(self) -> None:
        """Ask the engine itself, on its own threads, whether it still answers."""
        example = self._handler.example
        if example is not None:
            await self._call([example])

    def close(self) -> None:
        for pool in (self._decoders, self._engine, self._encoder):
            pool.shutdown(wait=False, cancel_futures=True)
