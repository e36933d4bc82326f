"""One execution environment of a function: reads events, runs the handler, writes answers.

    python -m kennel.local.worker invoke.handler.handle

The code is found on PYTHONPATH. Whatever the handler prints goes to the log, as on Lambda.
"""

import importlib
import json
import os
import sys
import time
import traceback
from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """What Lambda tells a handler of its call."""

    aws_request_id: str
    ends: float  # by the monotonic clock
    function_name: str = "invoke"
    function_version: str = "$LATEST"
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:invoke"
    memory_limit_in_mb: int = 1024

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.ends - time.monotonic()) * 1000))


def main(name: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, _, attribute = name.rpartition(".")
    handler = getattr(importlib.import_module(module), attribute)
    for line in sys.stdin:
        event, request_id, seconds = json.loads(line)
        context = Context(request_id, time.monotonic() + seconds)
        try:
            text = json.dumps({"result": handler(event, context)})
        except Exception as error:  # noqa: BLE001 - Lambda reports what the handler raised
            traceback.print_exc()
            text = json.dumps({"error": {"type": type(error).__name__, "message": str(error)}})
        answers.write(text + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
