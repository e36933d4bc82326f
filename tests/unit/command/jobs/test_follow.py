"""Watching a run: what is told, through lost networks, and what it costs."""

import io
import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from rich.console import Console

from kennel import train
from kennel.runs import prices, training
from kennel.runs.follow import Watch
from kennel.runs.logs import Line, Tail
from kennel.runs.run import Result, Status
from kennel.terminal import duration

LOST = EndpointConnectionError(endpoint_url="https://sagemaker")


def epoch(number: int, at: float) -> Line:
    text = f"event=epoch epoch={number} epochs=4 train_loss=0.5 valid_accuracy=0.75 rate=0.1 "
    return Line("algo-1", text + "images_per_second=12.3", at)


@dataclass
class Told:
    """A run that says these things in turn; an exception among them is raised."""

    steps: list[Exception | tuple[Status, list[Line]]]
    name: str = "job"
    where: str = "sagemaker"
    now: list[Line] = field(default_factory=list)

    def status(self) -> Status:
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        self.now = step[1]
        return step[0]

    def lines(self) -> list[Line]:
        new, self.now = self.now, []
        return new

    def stop(self) -> None: ...

    def collect(self, folder: Path) -> Result:
        return Result("", folder)


def watch(run: Told) -> tuple[Status, str, list[float]]:
    out, slept = io.StringIO(), list[float]()
    console = Console(file=out, width=200)
    status = Watch(run, console, sleep=slept.append).until_end()
    return status, out.getvalue(), slept


def test_epochs_are_progress_with_the_time_that_is_left() -> None:
    going, done = Status("InProgress", "Training"), Status("Completed")
    run = Told([(going, [epoch(1, 100)]), (going, [epoch(2, 190)]), (done, [epoch(4, 300)])])
    status, said, _ = watch(run)
    assert status.state == "Completed"
    assert "epoch   1/4" in said
    assert "75.0% valid  loss 0.5  12 images/s  3 min left" in said
    assert said.count("Training") == 1


def test_a_lost_network_is_waited_for_ever_longer() -> None:
    going = (Status("InProgress", "Training"), [])
    run = Told([going, LOST, LOST, LOST, LOST, LOST, LOST, going, (Status("Completed"), [])])
    status, said, slept = watch(run)
    assert status.ended
    assert said.count("network lost") == 6
    assert slept == [2, 4, 8, 16, 30, 30, 30, 2, 2]


def test_a_network_that_stays_away_for_an_hour_is_given_up() -> None:
    with pytest.raises(EndpointConnectionError):
        watch(Told([(Status("InProgress"), []), *[LOST] * 200]))


def test_a_refusal_is_not_taken_for_a_lost_network() -> None:
    refusal = ClientError({"Error": {"Code": "ExpiredToken"}}, "DescribeTrainingJob")
    with pytest.raises(ClientError):
        watch(Told([refusal]))


def test_a_log_line_cannot_colour_the_terminal_or_break_the_markup() -> None:
    line = Line("algo-1", "[bold]loss[/] [/nothing]", 0)
    _, said, _ = watch(Told([(Status("Completed"), [line])]))
    assert "algo-1  [bold]loss[/] [/nothing]" in said


class Logs:
    """CloudWatch with one stream of two pages; the network goes after the first."""

    class exceptions:  # noqa: N801 - as boto3 has it
        class ResourceNotFoundException(Exception): ...

    def __init__(self) -> None:
        self.lost = [False, True]

    def get_paginator(self, _: str) -> "Logs":
        return self

    def paginate(self, **_: str) -> list[dict[str, list[dict[str, str]]]]:
        return [{"logStreams": [{"logStreamName": "job/algo-1-7"}]}]

    def get_log_events(self, *, nextToken: str = "", **_: object) -> dict[str, object]:  # noqa: N803
        if self.lost and self.lost.pop(0):
            raise LOST
        number = int(nextToken or 0)
        events = [{"message": f"line {number}", "timestamp": number * 1000}] if number < 2 else []
        return {"events": events, "nextForwardToken": str(min(2, number + 1))}


def test_lines_that_came_before_the_network_went_are_not_lost() -> None:
    tail = Tail(Logs(), "group", "job/")
    with pytest.raises(EndpointConnectionError):
        tail.lines()
    assert [line.text for line in tail.lines()] == ["line 0", "line 1"]
    assert tail.lines() == []


def test_a_cost_is_an_estimate_or_unknown() -> None:
    hour = Status("Completed", instance_type="ml.g5.xlarge", instances=2, seconds=3600)
    assert hour.dollars == pytest.approx(2 * prices.HOURLY["ml.g5.xlarge"])
    spot = Status("Completed", instance_type="g5.xlarge", seconds=3600, spot=True)
    assert spot.dollars < prices.HOURLY["g5.xlarge"]
    unknown = Status("Completed", instance_type="ml.new.xlarge", seconds=3600)
    assert math.isnan(unknown.dollars)
    assert "unknown" in prices.dollars(unknown.dollars)
    assert "list prices" not in prices.stated(unknown.dollars)
    assert prices.stated(1.0) == "about $1.00, by list prices of eu-west-1 in November 2026"
    assert "by list prices of eu-west-1 in" in train.cost(hour)
    assert [duration(each) for each in (5, 90, 7500)] == ["5 s", "1 min", "2 h 5 min"]


@pytest.mark.parametrize(
    ("kind", "takes_key"),
    [
        ("ml.m5.xlarge", True),
        ("ml.c6i.xlarge", True),
        ("ml.p3.2xlarge", True),
        ("ml.g5.xlarge", False),
        ("ml.g4dn.xlarge", False),
        ("ml.m5d.large", False),
        ("ml.p4d.24xlarge", False),
    ],
)
def test_disks_of_the_instance_itself_take_no_key(kind: str, takes_key: bool) -> None:  # noqa: FBT001
    assert (training.LOCAL_DISKS.match(kind) is None) == takes_key


def test_a_jobs_name_is_one_that_sagemaker_and_the_roles_trust_allow() -> None:
    defaults = {"name_prefix": "kennel-with-20-chars-"}
    name = training.new_name(defaults, "Ein Modell: für Hunde!")
    assert name.startswith("kennel-with-20-chars-ein-modell-f-r-hunde-")
    assert len(name) <= 63
    assert training.new_name(defaults, "Ü!") != name
