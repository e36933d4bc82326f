"""The function at work, in a process of its own: run by tests.bench.invoke.

    python tests/bench/invoke_requests.py http://127.0.0.1:1234

Prints its own time per request and its peak memory as JSON.
"""

import base64
import json
import os
import resource
import statistics
import sys
import time
from typing import Any
from urllib.parse import urlsplit

from invoke.application import Application
from invoke.aws import RUNTIME, Client
from invoke.backoff import Backoff
from invoke.deadline import Deadline
from invoke.endpoint import Endpoint
from invoke.fetch import fetch
from invoke.policy import Policy
from invoke.query import MOST_URLS

REQUESTS = 200
USUAL = 150_000  # bytes of a photograph of 500 by 400
LARGEST = 4_400_000  # bytes of a picture that Lambda lets through as a body
MOST = 6_291_000  # bytes of each picture in a list of URLs


class Context:
    aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


class Clock:
    """Adds up what the effects take; the rest is the function's own."""

    def __init__(self) -> None:
        self.spent = 0.0

    def around(self, effect: Any) -> Any:
        def timed(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return effect(*arguments)
            finally:
                self.spent += time.perf_counter() - began

        return timed


def picture_event(size: int) -> dict[str, object]:
    picture = bytes.fromhex("ffd8ffc0001108019001f4").ljust(size, b"\0")
    return {
        "httpMethod": "POST",
        "resource": "/v1/predict",
        "headers": {"Content-Type": "image/jpeg"},
        "queryStringParameters": {"top": "5"},
        "requestContext": {"requestId": "00000000-0000-0000-0000-000000000000"},
        "body": base64.b64encode(picture).decode(),
        "isBase64Encoded": True,
    }


def own_milliseconds(handle: Application, clock: Clock, event: dict[str, object]) -> float:
    """The median over many requests."""
    taken = []
    for _ in range(REQUESTS):
        clock.spent = 0.0
        began = time.perf_counter()
        answer = handle(event, Context())
        taken.append(time.perf_counter() - began - clock.spent)
        if answer["statusCode"] != 200:
            raise SystemExit(answer["body"])
    return statistics.median(taken) * 1000


def main(address: str) -> None:
    port = urlsplit(address).port or 0
    # Loopback is public here; the guard's other steps run as they do in production.
    policy = Policy(schemes=frozenset({"http"}), ports=frozenset({port}), is_public=lambda _: True)
    environment = {**os.environ, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": address}
    endpoint = Endpoint("bench", Client(RUNTIME, environment, connections=MOST_URLS), Backoff())
    clock = Clock()

    def fetched(url: str, deadline: Deadline) -> bytes:
        return fetch(policy, url, deadline)

    with open(os.devnull, "w") as log:  # noqa: PTH123 - written to, line by line
        handle = Application(
            "bench",
            (),
            clock.around(fetched),
            clock.around(endpoint.invoke),
            say=lambda line: print(line, file=log, flush=True),
        )
        body = own_milliseconds(handle, clock, picture_event(USUAL))
        url = own_milliseconds(handle, clock, {"url": f"{address}/{USUAL}"})
        for event in (picture_event(LARGEST), {"urls": [f"{address}/{MOST}"] * MOST_URLS}):
            for _ in range(5):
                handle(event, Context())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"overhead_ms": max(body, url), "body_ms": body, "url_ms": url, "rss_mb": peak}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1])
