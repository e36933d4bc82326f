"""What an error of InvokeEndpoint means to the caller."""

import json
from typing import Any

from invoke.problems import Problem

THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException")
NOT_READY = ("ModelNotReadyException", "ServiceUnavailable", "ServiceUnavailableException")
NOT_FOUND = ("ValidationError", "ValidationException")  # also while it is created or replaced
TIMED_OUT = (0, 504)  # SageMaker's own verdict on a container that did not answer


class Again(Exception):
    """An attempt that may be repeated; `problem` is what to say if that does not help."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def explained(code: str, content: bytes) -> Problem | Again:
    """AWS's error as ours. The model's own complaints about a picture are passed on."""
    code = code.partition(":")[0]  # behind a colon AWS names the service
    if code == "ModelError":
        return model_error(document_in(content))
    if code in THROTTLED:
        return Again(Problem(429, "too many requests: slow down", {"Retry-After": "1"}))
    if code in NOT_READY:
        return Problem(503, "the model is not ready: try again", {"Retry-After": "5"})
    if code in NOT_FOUND:
        return Problem(503, "the model is not deployed or is being replaced", {"Retry-After": "30"})
    return Problem(502, "the model could not be called: try again later")


def model_error(document: dict[str, Any]) -> Problem:
    status = document.get("OriginalStatusCode")
    if status in TIMED_OUT:
        return Problem(504, "the model did not answer in time: try again")
    if not isinstance(status, int) or not 400 <= status < 500:
        return Problem(502, "the model failed on this picture: try again later")
    headers = {"Retry-After": "1"} if status == 429 else {}
    try:
        complaint = str(json.loads(document["OriginalMessage"])["error"]["message"])
    except (KeyError, TypeError, ValueError):
        complaint = "the model refused the picture"
    return Problem(status, complaint, headers)


def document_in(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
