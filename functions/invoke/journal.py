"""One JSON line per request, for people and for CloudWatch, which takes its metrics from it (EMF).

Nothing of a picture is written, and of a URL neither its query nor a user's name or password.
"""

import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]

# It would log URLs with their queries.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


def say(line: str) -> None:
    print(line, flush=True)


class Record:
    """What became of one request."""

    def __init__(self, endpoint: str, request_id: str) -> None:
        self.endpoint = endpoint
        self.request_id = request_id
        self.began = time.monotonic()
        self.sources: list[str] = []
        self.fetch: list[float] = []  # milliseconds, one for each picture
        self.invoke: list[float] = []
        self.failure = ""  # the traceback of a fault of ours

    def failed(self) -> None:
        self.failure = traceback.format_exc()

    def line(self, status: int, detail: str) -> str:
        total = (time.monotonic() - self.began) * 1000
        times = {"FetchTime": self.fetch, "InvokeTime": self.invoke, "TotalTime": [total]}
        taken = {name: [round(each, 2) for each in ms] for name, ms in times.items() if ms}
        record = {
            "level": "ERROR" if self.failure else "INFO",
            "message": detail,
            "requestId": self.request_id,
            "status": status,
            "sources": self.sources,
            **({"traceback": self.failure} if self.failure else {}),
            **taken,
            "Endpoint": self.endpoint,
            "_aws": emf(list(taken)),
        }
        return json.dumps({key: value for key, value in record.items() if value != []})


def emf(names: list[str]) -> dict[str, object]:
    """CloudWatch's embedded metric format: which fields of the line are metrics."""
    directive = {
        "Namespace": "Kennel/Function",
        "Dimensions": [["Endpoint"]],
        "Metrics": [{"Name": name, "Unit": "Milliseconds"} for name in names],
    }
    return {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}


@contextmanager
def timed(into: list[float]) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        into.append((time.monotonic() - began) * 1000)
