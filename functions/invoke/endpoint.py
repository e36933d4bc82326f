"""The call to the SageMaker endpoint, repeated where that can help."""

import json
import time
from typing import Any

from urllib3.exceptions import HTTPError, ReadTimeoutError

from invoke.aws import Client
from invoke.backoff import Backoff
from invoke.deadline import Deadline
from invoke.faults import Again, explained
from invoke.problems import Problem
from invoke.query import Options

ATTEMPTS = 3
Answer = dict[str, Any]


class Endpoint:
    def __init__(self, name: str, client: Client, backoff: Backoff) -> None:
        self._path = f"/endpoints/{name}/invocations"
        self._client = client
        self._backoff = backoff

    def invoke(
        self, picture: bytes, kind: str, options: Options, request_id: str, deadline: Deadline
    ) -> Answer:
        """The model's answer to one picture; a Problem where it has none."""
        headers = {
            "Content-Type": kind,
            "Accept": "application/json",
            "X-Amzn-SageMaker-Custom-Attributes": options.attributes,
            "X-Amzn-SageMaker-Inference-Id": request_id,
        }
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._attempt(headers, picture, deadline)
            except Again as error:
                pause = self._backoff.failed()
                if attempt == ATTEMPTS or pause >= deadline.left():
                    raise error.problem from error
                time.sleep(pause)
            else:
                self._backoff.succeeded()
                return answer
        raise AssertionError("unreachable")

    def _attempt(self, headers: dict[str, str], picture: bytes, deadline: Deadline) -> Answer:
        try:
            response = self._client.call("POST", self._path, headers, picture, deadline)
            content = response.read()
            response.release_conn()
        except ReadTimeoutError as error:
            raise Problem(504, "the model did not answer in time: try again") from error
        except HTTPError as error:
            raise Again(
                Problem(503, "the model cannot be reached: try again", {"Retry-After": "2"})
            ) from error
        if response.status != 200:
            raise explained(response.headers.get("x-amzn-errortype", ""), content)
        return answer_in(content)


def answer_in(content: bytes) -> Answer:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Problem(502, "the model gave no usable answer: try again later")
    return answer
