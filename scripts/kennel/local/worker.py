"""One execution environment of a function: reads events, runs the handler, writes answers.

    python -m kennel.local.worker invoke.handler.handle

The code is found on PYTHONPATH. Whatever the handler prints goes to the log, as on Lambda.
"""

import importlib
import json
import os
import sys
import traceback
from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    aws_request_id: str
    function_name: str = "invoke"
    memory_limit_in_mb: int = 512


def main(name: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, _, attribute = name.rpartition(".")
    handler = getattr(importlib.import_module(module), attribute)
    for line in sys.stdin:
        call = json.loads(line)
        try:
            answer = {"result": handler(call["event"], Context(call["request_id"]))}
            text = json.dumps(answer)
        except Exception as error:  # noqa: BLE001 - Lambda reports what the handler raised
            traceback.print_exc()
            text = json.dumps({"error": {"type": type(error).__name__, "message": str(error)}})
        answers.write(text + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
