"""Machines that one call to EC2 has started, and their end, through lost answers and networks."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

TAG = "kennel:run"  # on instances, with a value of its own for each call
STARTING = 90.0  # seconds in which EC2 may not list yet what it has started
LOOK = 5.0  # seconds between looks for nodes that it does not list
TRIES = 10  # to end the nodes, before the user is asked to
# Answers to RunInstances that leave open whether an earlier try of the same call has started nodes.
UNDECIDED = ("InternalError", "InternalFailure", "RequestLimitExceeded", "ServiceUnavailable",
             "Throttling", "Unavailable")  # fmt: skip


@dataclass
class Nodes:
    """What is known of the nodes of a call, from before it on: enough to end them all."""

    call: str
    most: int  # that can have been started
    ids: set[str] = field(default_factory=set)
    listed: float = 0.0  # by when EC2 lists all that it has started, on the monotonic clock


def launched(ec2: Any, asked: Mapping[str, Any], nodes: Nodes) -> dict[str, Any]:
    try:
        answer = dict(ec2.run_instances(**asked))
    except ClientError as error:
        if error.response["Error"]["Code"] not in UNDECIDED:
            nodes.most = 0
        raise
    finally:
        nodes.listed = time.monotonic() + STARTING
    nodes.ids = {each["InstanceId"] for each in answer["Instances"]}
    nodes.most = len(nodes.ids)
    return answer


def end(ec2: Any, ids: Iterable[str]) -> set[str]:
    """Terminate; which of them EC2 knew. Others are gone already, or too new."""
    known = sorted(ids)
    if not known:
        return set()
    try:
        ec2.terminate_instances(InstanceIds=known)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidInstanceID.NotFound":
            raise
        return set().union(*(end(ec2, [each]) for each in known)) if len(known) > 1 else set()
    return set(known)


def end_surely(
    ec2: Any,
    nodes: Nodes,
    console: Console,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """End all that the call started, through lost networks and impatience.

    EC2 may neither list a new node nor know its id yet: while some are missing it is asked again,
    until it lists all that it has started.
    """
    if nodes.most:
        console.print("ending the nodes ...")
    ended, failures = set[str](), 0
    with undisturbed():
        while failures < TRIES:
            try:
                ended |= end(ec2, (nodes.ids - ended).union(alive(ec2, nodes.call)))
            except (BotoCoreError, ClientError) as error:
                console.print(f"the nodes are not ended yet ({error}); trying again")
                sleep(min(30.0, 2.0**failures))
                failures += 1
                continue
            left = nodes.listed - clock()
            if len(ended) >= nodes.most or left <= 0:
                return
            console.print(f"EC2 may have more that it does not list yet; looking for {left:.0f} s")
            sleep(min(LOOK, left))
    console.print(
        f"[bold red]nodes may still run[/]: those with the tag {TAG}={nodes.call}. Each ends at "
        "its own deadline; until then you pay for it. End them in the console of EC2."
    )


def alive(ec2: Any, call: str) -> list[str]:
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[
            {"Name": f"tag:{TAG}", "Values": [call]},
            {
                "Name": "instance-state-name",
                "Values": ["pending", "running", "stopping", "stopped"],
            },
        ]
    )
    return [
        each["InstanceId"]
        for page in pages
        for group in page["Reservations"]
        for each in group["Instances"]
    ]


@contextmanager
def undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not keep us from ending what costs money."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
