"""Many waits at once: bounded, in order, and ended properly."""

import threading
import time
from collections.abc import Iterator

import pytest

from kennel.parallel import in_order
from kennel.progress import Counter


def test_items_are_taken_as_workers_come_free_and_results_keep_their_order() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    def slow(number: int) -> int:
        time.sleep(0.001 * (number % 3))
        return number

    results = in_order(slow, items(), workers=4)
    assert next(results) == 0
    assert len(taken) <= 8, "all items were taken at once"
    assert [0, *results] == list(range(100))


def test_the_first_exception_ends_it_and_tells_the_others() -> None:
    stop, begun = threading.Event(), []

    def act(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise ValueError("the first")
        assert stop.wait(60)

    with pytest.raises(ValueError, match="the first"):
        list(in_order(act, range(1000), workers=4, stop=stop))
    assert len(begun) <= 8


def test_what_need_not_be_done_does_not_count_for_the_rate() -> None:
    counter = Counter(100, lambda _: None)
    counter.leave_out(90)
    counter.advance(10)
    assert (counter.done, counter.total, counter.left) == (10, 10, 0)
