"""Several pieces of work at once, with one deadline for all of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from invoke.deadline import Deadline
from invoke.problems import Problem

Item = TypeVar("Item")
Outcome = dict[str, Any] | Problem


def each(
    work: Callable[[Item], dict[str, Any]], items: Sequence[Item], deadline: Deadline
) -> list[Outcome]:
    """The outcome for each item, in their order.

    A single item gets a thread too: looking up a name cannot be given a time limit otherwise.
    """
    executor = ThreadPoolExecutor(len(items))
    futures = [executor.submit(work, item) for item in items]
    wait(futures, timeout=max(0.0, deadline.left()))
    executor.shutdown(wait=False, cancel_futures=True)
    return [outcome(future) for future in futures]


def outcome(future: Future[dict[str, Any]]) -> Outcome:
    if not future.done():
        return Problem(504, "there was no answer in time: try again")
    error = future.exception()
    return error if isinstance(error, Problem) else future.result()
