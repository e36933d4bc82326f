"""What becomes of a call of a function, in the words that Lambda has for it."""

import json
from dataclasses import dataclass

from kennel.local.environment import Lost, OutOfMemory, TimedOut


@dataclass
class Outcome:
    body: bytes  # JSON: what the handler returned, or what went wrong
    version: str
    failed: bool = False
    kind: str = ""  # of a failure, for the report; empty where the handler itself raised
    log: str = ""

    @property
    def status(self) -> str:
        """As the report line has it."""
        if not self.kind:
            return ""
        if self.kind == "Sandbox.Timedout":
            return "\tStatus: timeout"
        return f"\tStatus: error\tError Type: {self.kind}"


def lost(error: Lost, version: str, request_id: str, timeout: float) -> Outcome:
    """The environment ended before it answered."""
    match error:
        case TimedOut():
            kind, message = "Sandbox.Timedout", f"Task timed out after {timeout:.2f} seconds"
        case OutOfMemory():
            kind = "Runtime.OutOfMemory"
            message = "Runtime exited with error: signal: killed"
        case _:
            kind, message = "Runtime.ExitError", f"Runtime exited with error: {error}"
    document = {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {message}"}
    return Outcome(json.dumps(document).encode(), version, failed=True, kind=kind)


def unloadable(document: bytes, version: str, request_id: str) -> Outcome:
    """The handler could not be loaded."""
    told = json.loads(document) | {"requestId": request_id}
    return Outcome(json.dumps(told).encode(), version, failed=True, kind=told["errorType"])
