"""Many small waits at once, with as many begun as there are workers, and an orderly end."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    action: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    stop: threading.Event | None = None,
) -> Generator[Result, None, None]:
    """The results in the order of the items, which are taken one by one as workers come free.

    The first exception, or Ctrl-C, ends it: nothing more is begun, `stop` tells what runs, and the
    exception comes out once that has ended.
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            waiting.append(pool.submit(action, item))
            # One slow item must not starve the others; twice the workers bound what waits behind.
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BaseException:
        if stop:
            stop.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
