"""When scheduled actions are due, by their three kinds of expressions."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from kennel.local.aws.serving.schedule import schedule_of

MONDAY = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def due(text: str, moment: datetime, zone: str | None = None) -> bool:
    """Whether it is time at this moment, and not a minute before or after."""
    schedule, at = schedule_of(text, zone, 0), moment.timestamp()
    now = schedule.due(at - 1, at)
    assert schedule.due(at - 1, at + 1) == now
    assert not (now and (schedule.due(at - 60, at - 1) or schedule.due(at, at + 59)))
    return now


@pytest.mark.parametrize(
    "text",
    [
        "cron(0 7 * * ? *)",
        "cron(0 7 ? * MON *)",
        "cron(0 7 ? * 2-6 *)",
        "cron(0,30 6-8 ? NOV MON-FRI 2026)",
        "cron(0/15 7 23 11 ? *)",
        "cron(0 */7 23,24 * ? 2026-2030)",
        "at(2026-11-23T07:00:00)",
    ],
)
def test_an_expression_is_due_in_its_minute(text: str) -> None:
    assert due(text, MONDAY)


@pytest.mark.parametrize(
    "text",
    [
        "cron(1 7 * * ? *)",
        "cron(0 7 ? * SUN *)",
        "cron(0 7 ? * 1 *)",
        "cron(0 7 24 * ? *)",
        "cron(0 7 ? DEC MON *)",
        "cron(0 7 * * ? 2027)",
        "at(2026-11-23T07:01:00)",
    ],
)
def test_and_in_no_other(text: str) -> None:
    assert not due(text, MONDAY)


def test_the_timezone_decides_what_seven_is() -> None:
    for month in (1, 7):  # winter and summer
        seven = datetime(2026, month, 5, 7, tzinfo=ZoneInfo("Europe/Berlin"))
        assert due("cron(0 7 * * ? *)", seven, "Europe/Berlin")
        assert due(f"at({seven:%FT%T})", seven, "Europe/Berlin")
        assert not due("cron(0 7 * * ? *)", seven)


def test_a_rate_counts_from_its_beginning() -> None:
    schedule = schedule_of("rate(5 minutes)", None, began=1000)
    assert not schedule.due(1000, 1299)
    assert schedule.due(1299, 1300)
    assert not schedule.due(1300, 1599)


def test_what_was_slept_through_is_done_once_awake() -> None:
    until = MONDAY + timedelta(hours=3)
    schedule = schedule_of("cron(0 7 * * ? *)", None, 0)
    assert schedule.due((MONDAY - timedelta(hours=3)).timestamp(), until.timestamp())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cron(0 7 * * ?)", "six fields"),
        ("cron(0 7 * * * *)", "must be ?"),
        ("cron(0 7 ? * ? *)", "must be ?"),
        ("cron(0 24 * * ? *)", "within 0 and 23"),
        ("cron(0 7 L * ? *)", "does not have L"),
        ("cron(0 7 ? * FRI#2 *)", "does not have L"),
        ("cron(0 7 ? * MUN *)", "MUN"),
        ("rate(0 minutes)", "no rate"),
        ("every morning", "none of at"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        schedule_of(text, None, 0)


def test_an_unknown_timezone_is_named() -> None:
    with pytest.raises(ValueError, match="Mars/Olympus"):
        schedule_of("cron(0 7 * * ? *)", "Mars/Olympus", 0)
