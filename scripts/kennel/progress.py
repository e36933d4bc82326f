"""How far a long verb is, its rate and the time left: on stderr, and never in the way of results.

A terminal gets a bar; a log gets a line now and then.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from kennel.terminal import duration

EVERY = 10.0  # seconds between the lines of a log
STILL = 30.0  # of something of which nothing is known but that it goes on


class Counter:
    """What is done of a total; threads may advance it."""

    def __init__(self, total: int, show: Callable[["Counter"], None]) -> None:
        self.total, self.done, self.began = total, 0, time.monotonic()
        self._show, self._lock = show, threading.Lock()

    def advance(self, amount: int) -> None:
        with self._lock:
            self.done += amount
            self._show(self)

    def leave_out(self, amount: int) -> None:
        """Something of the total need not be done after all: it must not count for the rate."""
        with self._lock:
            self.total -= amount
            self._show(self)

    @property
    def rate(self) -> float:
        return self.done / max(time.monotonic() - self.began, 1e-6)

    @property
    def left(self) -> float:
        return (self.total - self.done) / self.rate if self.done else float("inf")


@contextmanager
def counted(what: str, total: int, unit: str) -> Iterator[Counter]:
    """A counter that shows itself; the unit is "B" for bytes, or a noun such as "pictures"."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield Counter(total, _Lines(what, unit, console))
        return
    columns: tuple[ProgressColumn, ...] = (
        (DownloadColumn(), TransferSpeedColumn()) if unit == "B" else (MofNCompleteColumn(), Rate())
    )
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task(what, total=total)
        yield Counter(total, lambda c: progress.update(task, total=c.total, completed=c.done))


@contextmanager
def step(what: str, every: float = STILL) -> Iterator[None]:
    """Something long that counts nothing: when it begins, that it goes on, how long it took.

    On a terminal the programs that do it (Terraform, docker) show that it goes on.
    """
    console, began = Console(stderr=True, highlight=False), time.monotonic()
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(every):
            say(f"{what}: still at it after {duration(time.monotonic() - began)}")

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, markup=False)

    say(f"{what} ...")
    teller = threading.Thread(target=tell, daemon=True)
    if not console.is_terminal:
        teller.start()
    try:
        yield
    finally:
        ended.set()
        if teller.ident:
            teller.join()
    say(f"{what}: took {duration(time.monotonic() - began)}")


class Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:.1f}/s", style="progress.data.speed")


class _Lines:
    def __init__(self, what: str, unit: str, console: Console) -> None:
        self.what, self.unit, self.console = what, unit, console
        self.last = time.monotonic()

    def __call__(self, counter: Counter) -> None:
        now = time.monotonic()
        if now - self.last < EVERY:
            return
        self.last = now
        scale, unit = (1e6, "MB") if self.unit == "B" else (1, self.unit)
        self.console.print(
            f"{self.what}: {counter.done / scale:.0f} of {counter.total / scale:.0f} {unit}, "
            f"{counter.rate / scale:.1f}/s, {counter.left:.0f} s left"
        )
