"""A request's way through decode pool, batches and engine, with engines that misbehave."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from server.errors import Late, Overloaded, Unreadable
from server.pipeline import BEYOND_HELP, Pipeline, Scores, Square, Stages
from server.settings import Settings

PLAIN = replace(Settings.read({}), most_requests=64, most_batch=4, decoders=2, streams=1, seconds=5)


def decode(content: bytes) -> Square:
    """A picture is its name: one pixel of that value; `bad` cannot be read."""
    if content == b"bad":
        raise Unreadable("the picture is damaged")
    return np.full((1, 1, 3), content[0], np.uint8)


class Engine:
    """Gives each picture its own pixel as its score, and remembers the sizes of its batches."""

    def __init__(self, behave: Callable[[Square], None] = lambda _: None) -> None:
        self.sizes: list[int] = []
        self.behave = behave

    def infer(self, batch: Square) -> Scores:
        self.sizes.append(len(batch))
        self.behave(batch)
        return batch[:, 0, 0, :1].astype(np.float32)


class Gate:
    """Holds the engine until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, _: Square) -> None:
        self.entered.set()
        assert self.opened.wait(10)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def ask(pipeline: Pipeline, name: bytes) -> int:
    return int((await pipeline.classify(name, Stages()))[0])


def test_everyone_gets_their_own_result() -> None:
    async def story() -> None:
        pipeline = Pipeline(PLAIN, decode, Engine())
        names = [bytes([value]) for value in range(50)]
        assert await asyncio.gather(*(ask(pipeline, name) for name in names)) == list(range(50))

    run(story)


def test_a_picture_alone_waits_for_nobody_and_batches_grow_under_load() -> None:
    async def story() -> None:
        gate = Gate()
        engine = Engine(gate)
        pipeline = Pipeline(PLAIN, decode, engine)
        asks = [asyncio.create_task(ask(pipeline, b"a"))]
        await until(gate.entered.is_set)
        assert engine.sizes == [1]
        asks += [asyncio.create_task(ask(pipeline, b"b")) for _ in range(6)]
        await asyncio.sleep(0.1)
        gate.opened.set()
        await asyncio.gather(*asks)
        assert engine.sizes == [1, 4, 2]

    run(story)


def test_a_full_house_refuses_at_once() -> None:
    async def story() -> None:
        gate = Gate()
        pipeline = Pipeline(replace(PLAIN, most_requests=3), decode, Engine(gate))
        asks = [asyncio.create_task(ask(pipeline, b"a")) for _ in range(3)]
        await until(gate.entered.is_set)
        with pytest.raises(Overloaded):
            await ask(pipeline, b"b")
        gate.opened.set()
        assert await asyncio.gather(*asks) == [97] * 3
        assert await ask(pipeline, b"b") == 98

    run(story)


def test_whoever_waits_too_long_is_told_in_time() -> None:
    async def story() -> None:
        gate = Gate()
        pipeline = Pipeline(replace(PLAIN, seconds=0.2), decode, Engine(gate))
        began = time.monotonic()
        with pytest.raises(Late):
            await ask(pipeline, b"a")
        assert time.monotonic() - began < 2
        assert pipeline.inside == 0
        gate.opened.set()

    run(story)


def test_a_client_that_left_costs_the_engine_nothing() -> None:
    async def story() -> None:
        gate = Gate()
        engine = Engine(gate)
        pipeline = Pipeline(PLAIN, decode, engine)
        first = asyncio.create_task(ask(pipeline, b"a"))
        await until(gate.entered.is_set)
        leaving = asyncio.create_task(ask(pipeline, b"b"))
        await asyncio.sleep(0.05)
        leaving.cancel()
        gate.opened.set()
        await first
        assert await ask(pipeline, b"c") == 99
        assert sum(engine.sizes) == 2
        assert pipeline.inside == 0

    run(story)


def test_a_damaged_picture_touches_nobody_else() -> None:
    async def story() -> None:
        pipeline = Pipeline(PLAIN, decode, Engine())
        results = await asyncio.gather(
            ask(pipeline, b"a"), ask(pipeline, b"bad"), ask(pipeline, b"c"), return_exceptions=True
        )
        assert [results[0], results[2]] == [97, 99]
        assert isinstance(results[1], Unreadable)

    run(story)


def test_a_picture_that_fails_the_engine_fails_alone() -> None:
    def refuse(batch: Square) -> None:
        if (batch == ord("x")).any():
            raise RuntimeError("cannot")

    async def story() -> None:
        gate, pipeline_engine = Gate(), Engine()
        pipeline_engine.behave = gate
        pipeline = Pipeline(PLAIN, decode, pipeline_engine)
        first = asyncio.create_task(ask(pipeline, b"a"))
        await until(gate.entered.is_set)
        asks = [asyncio.create_task(ask(pipeline, name)) for name in (b"b", b"x", b"c")]
        await asyncio.sleep(0.1)
        pipeline_engine.behave = refuse
        gate.opened.set()
        results = await asyncio.gather(first, *asks, return_exceptions=True)
        assert [results[0], results[1], results[3]] == [97, 98, 99]
        assert isinstance(results[2], RuntimeError)
        assert not pipeline.broken.is_set()

    run(story)


def test_an_engine_beyond_help_is_reported_and_unfit() -> None:
    def fail(_: Square) -> None:
        raise RuntimeError("broken")

    async def story() -> None:
        pipeline = Pipeline(PLAIN, decode, Engine(fail))
        for number in range(BEYOND_HELP):
            assert not pipeline.broken.is_set(), number
            with pytest.raises(RuntimeError):
                await ask(pipeline, b"a")
        assert pipeline.broken.is_set()
        assert "failed 5 times in a row" in pipeline.health.reason(time.monotonic(), 15)

    run(story)


def test_an_engine_that_hangs_is_unfit_after_a_while() -> None:
    async def story() -> None:
        gate = Gate()
        pipeline = Pipeline(PLAIN, decode, Engine(gate))
        asking = asyncio.create_task(ask(pipeline, b"a"))
        await until(gate.entered.is_set)
        now = time.monotonic()
        assert pipeline.health.reason(now, 15) == ""
        assert "has not answered for 20 s" in pipeline.health.reason(now + 20, 15)
        gate.opened.set()
        await asking
        assert pipeline.health.reason(now + 20, 15) == ""

    run(story)


def test_results_that_do_not_match_their_pictures_are_never_handed_out() -> None:
    class Short(Engine):
        def infer(self, batch: Square) -> Scores:
            return super().infer(batch)[:-1]

    async def story() -> None:
        with pytest.raises(RuntimeError, match="gave 0 results for 1 pictures"):
            await ask(Pipeline(PLAIN, decode, Short()), b"a")

    run(story)
