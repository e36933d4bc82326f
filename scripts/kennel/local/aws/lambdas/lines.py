"""An environment's log stream: what the function writes, between the lines that Lambda writes."""

import math
import time
import uuid
from datetime import UTC, datetime

from moto.logs.models import LogsBackend, logs_backends

from kennel.local.aws import roles
from kennel.local.aws.house import House
from kennel.local.aws.lambdas.outcome import Outcome

RUNTIME = "python:3.12"
MEGABYTE = 2**20


class Lines:
    """Kept until `send`, which writes them to CloudWatch Logs if the function's role may do so."""

    def __init__(self, house: House, role: str, group: str, version: str) -> None:
        self._house = house
        self._role = role
        self._group = group
        day = datetime.now(UTC).strftime("%Y/%m/%d")
        self.stream = f"{day}/[{version}]{uuid.uuid4().hex}"
        self._kept: list[tuple[int, str]] = []

    def add(self, text: str) -> None:
        now = int(time.time() * 1000)
        self._kept += [(now, line) for line in text.splitlines() if line]

    def begin(self) -> None:
        self.add(f"INIT_START Runtime Version: {RUNTIME}")

    def start(self, request_id: str, version: str) -> None:
        self.add(f"START RequestId: {request_id} Version: {version}")

    def end(
        self,
        request_id: str,
        outcome: Outcome,
        *,
        seconds: float,
        init: float,
        megabytes: int,
        used: int,
    ) -> None:
        """The lines that follow a call; times in seconds, `used` in bytes."""
        if outcome.kind == "Sandbox.Timedout":
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
            self.add(f"{now}Z {request_id} Task timed out after {seconds:.2f} seconds")
        self.add(f"END RequestId: {request_id}")
        took = f"Init Duration: {init * 1000:.2f} ms\t" if init else ""
        self.add(
            f"REPORT RequestId: {request_id}\tDuration: {seconds * 1000:.2f} ms\t"
            f"Billed Duration: {math.ceil((seconds + init) * 1000)} ms\t"
            f"Memory Size: {megabytes} MB\tMax Memory Used: {math.ceil(used / MEGABYTE)} MB\t"
            f"{took}{outcome.status}"
        )

    def send(self) -> str:
        """Hand the lines over; returns them."""
        kept, self._kept = self._kept, []
        if kept and self._ready():
            events = [{"timestamp": when, "message": line} for when, line in kept]
            logs(self._house).put_log_events(self._group, self.stream, events)
        return "".join(f"{line}\n" for _, line in kept)

    def _ready(self) -> bool:
        """Make the stream, with the role's rights, as Lambda does."""
        backend = logs(self._house)
        group = self._house.arn("logs", f"log-group:{self._group}")
        if self._group not in backend.groups:
            if not roles.may(self._house, self._role, "logs:CreateLogGroup", group):
                return False
            backend.ensure_log_group(self._group)
        if self.stream not in backend.groups[self._group].streams:
            stream = f"{group}:log-stream:{self.stream}"
            actions = ("logs:CreateLogStream", "logs:PutLogEvents")
            if not all(roles.may(self._house, self._role, each, stream) for each in actions):
                return False
            backend.create_log_stream(self._group, self.stream)
        return True


def logs(house: House) -> LogsBackend:
    return logs_backends[house.account][house.region]
