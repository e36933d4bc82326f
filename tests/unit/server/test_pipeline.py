"""A request's way through decode pool, batches and engine, with engines that misbehave."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sagemaker_inference.errors import BaseInferenceToolkitError

from server.app import unfit
from server.errors import Late, Unreadable
from server.invocation import Invocation, Reply
from server.pipeline import BEYOND_HELP, Pipeline, Stages
from server.settings import Settings

PLAIN = replace(
    Settings.read({}), most_requests=64, most_batch=4, decoders=2, streams=1, seconds=60
)


class Handler:
    """A request is its name, a letter, and gets it back; `bad` cannot be read.

    It remembers what it has decoded and how large its batches were.
    """

    example = "p"

    def __init__(self, behave: Callable[[Sequence[str]], None] = lambda _: None) -> None:
        self.behave = behave
        self.batches = True
        self.encodes_at_once = self.queues = False
        self.decoded: list[str] = []
        self.sizes: list[int] = []

    def decode(self, invocation: Invocation) -> str:
        name = invocation.content.decode()
        self.decoded.append(name)
        if name == "bad":
            raise Unreadable("the picture is damaged")
        return name

    def predict(self, items: Sequence[str]) -> Sequence[str]:
        self.sizes.append(len(items))
        self.behave(items)
        return items

    def encode(self, prediction: str, _: Invocation) -> Reply:
        return Reply(prediction.encode(), "text/plain")


class Gate:
    """Holds the engine until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, _: Sequence[str]) -> None:
        self.entered.set()
        assert self.opened.wait(60)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


async def waiting(pipeline: Pipeline, count: int) -> None:
    """Until so many are decoded and wait for the engine."""
    await until(lambda: len(pipeline._queue) == count)


async def ask(pipeline: Pipeline, name: str) -> str:
    return (await pipeline.answer(Invocation(name.encode()), Stages())).content.decode()


def test_everyone_gets_their_own_result() -> None:
    async def story() -> None:
        pipeline = Pipeline(PLAIN, Handler())
        names = [str(number) for number in range(50)]
        assert await asyncio.gather(*(ask(pipeline, name) for name in names)) == names

    run(story)


def test_a_picture_alone_waits_for_nobody_and_batches_grow_under_load() -> None:
    async def story() -> None:
        gate = Gate()
        handler = Handler(gate)
        pipeline = Pipeline(PLAIN, handler)
        asks = [asyncio.create_task(ask(pipeline, "a"))]
        await until(gate.entered.is_set)
        assert handler.sizes == [1]
        asks += [asyncio.create_task(ask(pipeline, "b")) for _ in range(6)]
        await waiting(pipeline, 6)
        gate.opened.set()
        await asyncio.gather(*asks)
        assert handler.sizes == [1, 4, 2]

    run(story)


def test_an_engine_that_queues_has_its_next_batch_before_it_is_free() -> None:
    async def story() -> None:
        gate = Gate()
        handler = Handler(gate)
        handler.queues = True
        pipeline = Pipeline(PLAIN, handler)
        asks = [asyncio.create_task(ask(pipeline, name)) for name in "abc"]
        await until(lambda: len(handler.sizes) == 2)
        await waiting(pipeline, 1)
        assert len(handler.sizes) == 2, "one runs, one waits inside; the others wait outside"
        gate.opened.set()
        assert await asyncio.gather(*asks) == list("abc")

    run(story)


def test_whoever_waits_too_long_is_told_in_time() -> None:
    async def story() -> None:
        gate = Gate()
        pipeline = Pipeline(replace(PLAIN, seconds=0.2), Handler(gate))
        began = time.monotonic()
        with pytest.raises(Late):
            await ask(pipeline, "a")
        assert time.monotonic() - began < 30  # the engine is held for twice as long
        gate.opened.set()

    run(story)


def test_a_client_that_left_costs_the_engine_nothing() -> None:
    async def story() -> None:
        gate = Gate()
        handler = Handler(gate)
        pipeline = Pipeline(PLAIN, handler)
        first = asyncio.create_task(ask(pipeline, "a"))
        await until(gate.entered.is_set)
        leaving = asyncio.create_task(ask(pipeline, "b"))
        await waiting(pipeline, 1)
        leaving.cancel()
        gate.opened.set()
        await first
        assert await ask(pipeline, "c") == "c"
        assert sum(handler.sizes) == 2

    run(story)


def test_a_client_that_left_before_its_picture_was_decoded_costs_nothing_at_all() -> None:
    class Slow(Handler):
        def decode(self, invocation: Invocation) -> str:
            name = super().decode(invocation)
            self.behave([name])
            return name

    async def story() -> None:
        gate = Gate()
        handler = Slow(gate)
        pipeline = Pipeline(replace(PLAIN, decoders=1), handler)
        first = asyncio.create_task(ask(pipeline, "a"))
        await until(gate.entered.is_set)
        leaving = asyncio.create_task(ask(pipeline, "b"))
        await until(lambda: pipeline._decoders._work_queue.qsize() == 1)
        leaving.cancel()
        await asyncio.wait([leaving])
        gate.opened.set()
        await first
        assert await ask(pipeline, "c") == "c"
        assert handler.decoded == ["a", "c"]

    run(story)


def test_a_handler_that_does_not_batch_is_asked_for_one_at_a_time() -> None:
    async def story() -> None:
        gate = Gate()
        handler = Handler(gate)
        handler.batches = False
        pipeline = Pipeline(PLAIN, handler)
        asks = [asyncio.create_task(ask(pipeline, "a"))]
        await until(gate.entered.is_set)
        asks += [asyncio.create_task(ask(pipeline, name)) for name in "bcd"]
        await waiting(pipeline, 3)
        gate.opened.set()
        assert await asyncio.gather(*asks) == list("abcd")
        assert handler.sizes == [1, 1, 1, 1]

    run(story)


def test_a_damaged_picture_touches_nobody_else() -> None:
    async def story() -> None:
        pipeline = Pipeline(PLAIN, Handler())
        results = await asyncio.gather(
            ask(pipeline, "a"), ask(pipeline, "bad"), ask(pipeline, "c"), return_exceptions=True
        )
        assert [results[0], results[2]] == ["a", "c"]
        assert isinstance(results[1], Unreadable)

    run(story)


def test_a_picture_that_fails_the_engine_fails_alone() -> None:
    def refuse(batch: Sequence[str]) -> None:
        if "x" in batch:
            raise RuntimeError("cannot")

    async def story() -> None:
        gate, handler = Gate(), Handler()
        handler.behave = gate
        pipeline = Pipeline(PLAIN, handler)
        first = asyncio.create_task(ask(pipeline, "a"))
        await until(gate.entered.is_set)
        asks = [asyncio.create_task(ask(pipeline, name)) for name in ("b", "x", "c")]
        await waiting(pipeline, 3)
        handler.behave = refuse
        gate.opened.set()
        results = await asyncio.gather(first, *asks, return_exceptions=True)
        assert [results[0], results[1], results[3]] == ["a", "b", "c"]
        assert isinstance(results[2], RuntimeError)
        assert not pipeline.broken.is_set()

    run(story)


def test_an_engine_beyond_help_is_reported_and_unfit() -> None:
    def fail(_: Sequence[str]) -> None:
        raise RuntimeError("broken")

    async def story() -> None:
        pipeline = Pipeline(PLAIN, Handler(fail))
        for number in range(BEYOND_HELP):
            assert not pipeline.broken.is_set(), number
            with pytest.raises(RuntimeError):
                await ask(pipeline, "a")
        assert pipeline.broken.is_set()
        assert "failed 5 times in a row" in pipeline.health.reason(time.monotonic(), 15)

    run(story)


def test_an_engine_that_hangs_is_unfit_after_a_while() -> None:
    async def story() -> None:
        gate = Gate()
        pipeline = Pipeline(PLAIN, Handler(gate))
        asking = asyncio.create_task(ask(pipeline, "a"))
        await until(gate.entered.is_set)
        now = time.monotonic()
        assert pipeline.health.reason(now, 15) == ""
        assert "has not answered for 20 s" in pipeline.health.reason(now + 20, 15)
        gate.opened.set()
        await asking
        assert pipeline.health.reason(now + 20, 15) == ""

    run(story)


def test_what_a_handler_tells_a_client_does_not_count_against_it() -> None:
    def refuse(_: Sequence[str]) -> None:
        raise BaseInferenceToolkitError(422, "not a dog", "not a dog")

    async def story() -> None:
        pipeline = Pipeline(PLAIN, Handler(refuse))
        for _ in range(BEYOND_HELP + 1):
            with pytest.raises(BaseInferenceToolkitError, match="not a dog"):
                await ask(pipeline, "a")
        assert not pipeline.broken.is_set()
        assert pipeline.health.failures == 0

    run(story)


def test_a_handler_cannot_end_the_server_as_if_all_were_well() -> None:
    def leave(_: Sequence[str]) -> None:
        sys.exit(0)

    async def story() -> None:
        with pytest.raises(RuntimeError, match="wanted to end the server"):
            await ask(Pipeline(PLAIN, Handler(leave)), "a")

    run(story)


def test_a_probe_finds_out_whether_an_engine_that_failed_is_well_again() -> None:
    def fail(_: Sequence[str]) -> None:
        raise RuntimeError("once")

    async def story() -> None:
        handler = Handler(fail)
        pipeline = Pipeline(PLAIN, handler)
        with pytest.raises(RuntimeError):
            await ask(pipeline, "a")
        assert "failed a probe: once" in await unfit(pipeline, 15)
        handler.behave = lambda _: None
        assert await unfit(pipeline, 15) == ""
        assert pipeline.health.failures == 0

    run(story)


def test_results_that_do_not_match_their_requests_are_never_handed_out() -> None:
    class Short(Handler):
        def predict(self, items: Sequence[str]) -> Sequence[str]:
            return super().predict(items)[:-1]

    async def story() -> None:
        with pytest.raises(RuntimeError, match="gave 0 results for 1 requests"):
            await ask(Pipeline(PLAIN, Short()), "a")

    run(story)
