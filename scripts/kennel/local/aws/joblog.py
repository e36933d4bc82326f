"""What a job's containers write: sent to CloudWatch Logs, and read for metrics on the way."""

import logging
import math
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from botocore.exceptions import BotoCoreError, ClientError

from kennel.local.aws.bucket import Access

MOST_EVENTS = 1000  # in a call
MOST_CHARACTERS = 200_000  # of a line; CloudWatch takes 256 KiB
NAMESPACE = "/aws/sagemaker/TrainingJobs"
log = logging.getLogger("kennel.joblog")


class Stream:
    """One log stream; a role that may not write it does not hold up the job."""

    def __init__(self, access: Access, group: str, name: str) -> None:
        self._client = access.client("logs")
        self._where = {"logGroupName": group, "logStreamName": name}
        self._open = True
        self._call("create_log_group", logGroupName=group)
        self._call("create_log_stream", **self._where)

    def write(self, lines: Sequence[str]) -> None:
        now = int(time.time() * 1000)
        for start in range(0, len(lines), MOST_EVENTS):
            part = [line[:MOST_CHARACTERS] for line in lines[start : start + MOST_EVENTS] if line]
            events = [{"timestamp": now, "message": line} for line in part]
            if events:
                self._call("put_log_events", **self._where, logEvents=events)

    def _call(self, operation: str, **arguments: Any) -> None:
        if not self._open:
            return
        try:
            getattr(self._client, operation)(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                log.warning("%s: %s", self._where["logStreamName"], error)
                self._open = False
        except BotoCoreError:  # the account ends
            self._open = False


class Tail:
    """A file that grows, line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""

    def lines(self, *, last: bool = False) -> list[str]:
        """Those that were finished since; the unfinished one too if it is the last look."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._position)
            content = self._rest + file.read()
            self._position = file.tell()
            *whole, self._rest = content.split(b"\n")
            if last and self._rest:
                whole, self._rest = [*whole, self._rest], b""
            return [line.decode(errors="replace").rstrip("\r") for line in whole]
        return []


@dataclass
class Meter:
    """Finds metrics in lines by the job's definitions, as SageMaker does."""

    access: Access
    job: str
    definitions: Sequence[Mapping[str, str]]
    found: list[tuple[str, float, float]] = field(default_factory=list)  # name, value, time

    def __post_init__(self) -> None:
        self._patterns = [(each["Name"], re.compile(each["Regex"])) for each in self.definitions]
        self._client = self.access.client("cloudwatch") if self.definitions else None

    def read(self, lines: Sequence[str]) -> None:
        new = [
            (name, value, time.time())
            for line in lines
            for name, pattern in self._patterns
            for value in values_in(pattern, line)
        ]
        self.found += new
        if new and self._client:
            dimensions = [{"Name": "TrainingJobName", "Value": self.job}]
            data = [
                {"MetricName": name, "Value": value, "Timestamp": when, "Dimensions": dimensions}
                for name, value, when in new
            ]
            with suppress(ClientError, BotoCoreError):  # the role may not; the job goes on
                self._client.put_metric_data(Namespace=NAMESPACE, MetricData=data)

    def final(self) -> list[dict[str, Any]]:
        """The last value of each."""
        last = {name: (value, when) for name, value, when in self.found}
        return [
            {"MetricName": name, "Value": value, "Timestamp": when}
            for name, (value, when) in last.items()
        ]


def values_in(pattern: "re.Pattern[str]", line: str) -> list[float]:
    found = []
    for match in pattern.finditer(line):
        with suppress(ValueError, TypeError):
            found.append(float(match[1] if pattern.groups else match[0]))
    return found


def usable(value: float | None) -> TypeGuard[float]:
    """Whether a metric's value can be compared with others."""
    return value is not None and math.isfinite(value)
