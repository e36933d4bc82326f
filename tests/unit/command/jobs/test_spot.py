"""Spot capacity that was taken back: waiting for machines, and what all fleets of a run cost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kennel import train
from kennel.errors import Failed
from kennel.outputs import Outputs
from kennel.runs import fleet, spot
from kennel.runs.follow import Watch
from kennel.runs.run import Status
from kennel.runs.wish import Wish
from tests.unit.command.jobs.test_follow import Told

LOST = Status("Failed", reason=fleet.INTERRUPTED, seconds=100)
DONE = Status("Completed", seconds=50)


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "so it is"}}, "RunInstances")


FULL = refusal("InsufficientInstanceCapacity")


class Fleets:
    """What each start of a fleet comes to; the last, again and again."""

    def __init__(self, *turns: Status | ClientError) -> None:
        self.turns, self.resumed = list(turns), list[str]()
        self.now = 0.0

    @contextmanager
    def started(self, *_: Any, resume: str, **__: Any) -> Iterator[Any]:
        self.resumed.append(resume)
        turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        if isinstance(turn, ClientError):
            raise turn
        run: Any = Told([(turn, [])], name=f"r-{len(self.resumed)}", where="ec2")
        run.record, run.s3, run.root = {"instances": ["i-1"]}, None, "s3://models/fleet/r"
        yield run

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fleets], Status]:
    """`kennel train --where ec2` with such fleets, all of which save checkpoints."""

    def on_ec2(fleets: Fleets) -> Status:
        waits = {"clock": lambda: fleets.now, "sleep": fleets.sleep}
        monkeypatch.setattr(fleet, "started", fleets.started)
        monkeypatch.setattr(spot, "regained", partial(spot.regained, **waits))
        monkeypatch.setattr(train, "Watch", partial(Watch, sleep=fleets.sleep))
        ended: Any = train.on_ec2(Wish(data="", settings={}), "dev")
        assert isinstance(ended, Status)
        return ended

    monkeypatch.setattr("kennel.outputs.read", lambda *_: Outputs("platform", {}))
    monkeypatch.setattr("kennel.s3.is_empty", lambda *_: False)
    monkeypatch.setattr(train, "fleet_order_of", lambda *_: None)
    monkeypatch.setattr(train, "conclude", lambda _, status, *__: status)
    return on_ec2


def test_capacity_is_waited_for_after_an_interruption(run: Callable[[Fleets], Status]) -> None:
    fleets = Fleets(LOST, FULL, FULL, DONE)
    assert run(fleets).state == "Completed"
    assert fleets.resumed == ["", "r-1", "r-1", "r-1"]
    assert 2 * spot.PAUSE <= fleets.now < 3 * spot.PAUSE


def test_the_wait_has_an_end_that_names_the_way_on(run: Callable[[Fleets], Status]) -> None:
    fleets = Fleets(LOST, FULL)
    with pytest.raises(Failed, match=r"30 min .*`kennel train --where ec2 --resume r-1`"):
        run(fleets)
    assert spot.PATIENCE <= fleets.now < spot.PATIENCE + 2 * spot.PAUSE


@pytest.mark.parametrize("turns", [[FULL], [LOST, refusal("UnauthorizedOperation")]])
def test_a_first_start_and_other_refusals_do_not_wait(
    run: Callable[[Fleets], Status], turns: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    fleets = Fleets(*turns)
    with pytest.raises(ClientError):
        run(fleets)
    assert fleets.now < spot.PAUSE
    assert ("--resume r-1` goes on" in capsys.readouterr().err) == (len(turns) > 1)


def test_all_fleets_of_a_run_are_paid_for(run: Callable[[Fleets], Status]) -> None:
    assert run(Fleets(LOST, LOST, DONE)).seconds == 250
