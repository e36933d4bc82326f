"""One instance of a transform job: a server, what it wishes, what it answers, its two logs."""

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from kennel.local.aws.joblog import Stream, Tail
from kennel.local.aws.running.runner import Running
from kennel.local.aws.serving.instance import PING_SECONDS, STOP_SECONDS, wait_until

DEFAULTS = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 6, "BatchStrategy": "MULTI_RECORD"}
PAUSE = 0.5  # real seconds between tries


@dataclass
class Worker:
    """One instance of the job: its server, its logs."""

    running: Running
    root: Path
    client: httpx.Client
    tail: Tail
    stream: Stream
    data_log: Stream

    def say(self, line: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        self.data_log.write([f"{now}:[sagemaker logs]: {line}"])

    def pings(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.client.get("/ping", timeout=PING_SECONDS).status_code == 200
        return False

    def settings(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """What the request says, else what the container would like, else the defaults."""
        wished: Mapping[str, Any] = {}
        with suppress(httpx.HTTPError, ValueError):
            answer = self.client.get("/execution-parameters", timeout=PING_SECONDS)
            wished = json.loads(answer.content) if answer.status_code == 200 else {}
        given = {name: job[name] for name in DEFAULTS if job.get(name) is not None}
        if given.get("MaxConcurrentTransforms") == 0:
            del given["MaxConcurrentTransforms"]
        settings = {name: given.get(name, wished.get(name, DEFAULTS[name])) for name in DEFAULTS}
        return settings | {"BatchStrategy": snake(settings["BatchStrategy"])}

    def ask(
        self, content: bytes, headers: Mapping[str, str], tries: int, given_up: threading.Event
    ) -> httpx.Response:
        """The answer to one object. What may pass is tried again: no answer, 429 and 5xx."""
        for left in reversed(range(tries)):
            try:
                answer = self.client.post("/invocations", content=content, headers=headers)
            except httpx.HTTPError:
                if not left:
                    raise
            else:
                passing = answer.status_code == 429 or answer.status_code >= 500
                if not (left and passing):
                    return answer
            given_up.wait(PAUSE)
        raise AssertionError("the last try returns or raises")

    def end(self) -> None:
        self.running.terminate()
        if not wait_until(lambda: self.running.exit_code() is not None, STOP_SECONDS):
            self.running.kill()
        self.client.close()
        self.stream.write(self.tail.lines(last=True))


def snake(strategy: str | None) -> str:
    """MultiRecord is MULTI_RECORD to containers and in the data log."""
    return {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}.get(
        strategy or "", strategy or ""
    )
