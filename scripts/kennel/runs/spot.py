"""A fleet after Spot capacity was taken back: there is often none again for a while."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from botocore.exceptions import ClientError
from rich.console import Console

from kennel import remedies
from kennel.errors import Failed
from kennel.network import hinted
from kennel.runs.fleet import FleetRun
from kennel.terminal import duration

PATIENCE = 1800.0  # seconds in which AWS may find machines again
PAUSE = 60.0  # between tries


def way_on(name: str) -> str:
    if not name:
        return "it had saved nothing: `kennel train --where ec2` starts anew"
    return f"`kennel train --where ec2 --resume {name}` goes on from the last checkpoint"


@contextmanager
def regained(
    start: Callable[[], AbstractContextManager[FleetRun]],
    resume: str,
    console: Console,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[FleetRun]:
    """A run that starts as soon as there is capacity for it."""
    with ExitStack() as stack:
        with hinted(console.print, way_on(resume)):
            run = patiently(lambda: stack.enter_context(start()), resume, console, clock, sleep)
        yield run


def patiently(
    enter: Callable[[], FleetRun],
    resume: str,
    console: Console,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> FleetRun:
    end = clock() + PATIENCE
    while True:
        try:
            return enter()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if remedies.OF_CODE.get(code) != remedies.CAPACITY:
                raise
            if clock() >= end:
                said = f"AWS has had no machines free for {duration(PATIENCE)} ({code})"
                raise Failed(f"{said}; {way_on(resume)}") from error
        console.print(f"no machines are free ({code}); trying again in {duration(PAUSE)}")
        sleep(PAUSE)
