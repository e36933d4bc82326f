"""One execution environment of a function: reads events, runs the handler, writes answers.

    python -u -P worker.py invoke.handler.handle

The code is found on PYTHONPATH. Whatever the handler prints goes to standard error, as on Lambda it
goes to the log. Both ways a message is a line of JSON, then as many bytes as the line says. The
first message out is empty, or says why the handler could not be loaded.

This file imports nothing of Kennel: what a function can import is its own code and the packages.
"""

import importlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

MOST_BYTES = 6 * 1024 * 1024  # of an answer
Handler = Callable[[Any, "Context"], Any]


class Context:
    """What Lambda tells a handler of its call."""

    identity = None
    client_context = None

    def __init__(self, request: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self.aws_request_id: str = request["id"]
        self.invoked_function_arn: str = request["arn"]
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME", "invoke")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
        self._ends = time.monotonic() + request["seconds"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._ends - time.monotonic()) * 1000))


def load(name: str) -> Handler:
    """The handler; what goes wrong is put as Lambda's runtime for Python puts it."""
    module, _, attribute = name.replace("/", ".").rpartition(".")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise Unloadable(
            "Runtime.ImportModuleError", f"Unable to import module '{module}': {error}"
        ) from error
    except SyntaxError as error:
        raise Unloadable(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}"
        ) from error
    try:
        handler: Handler = getattr(found, attribute)
    except AttributeError as error:
        raise Unloadable(
            "Runtime.HandlerNotFound", f"Handler '{attribute}' missing on module '{module}'"
        ) from error
    return handler


class Unloadable(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def complaint(error: BaseException, **more: str) -> dict[str, Any]:
    """What a caller hears of an exception; the log hears it too."""
    kind = error.kind if isinstance(error, Unloadable) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    lines = [line for line in traceback.format_list(frames) if __file__ not in line]
    print(f"[ERROR] {kind}: {error}\nTraceback (most recent call last):\n{''.join(lines)}", end="")
    return {"errorMessage": str(error), "errorType": kind, "stackTrace": lines, **more}


def answered(handler: Handler, request: Mapping[str, Any], event: bytes) -> tuple[bytes, bool]:
    """The handler's answer in JSON, and whether it is a complaint."""
    context = Context(request, os.environ)
    identity = {"requestId": context.aws_request_id}
    try:
        result = handler(json.loads(event), context)
    except Exception as error:  # noqa: BLE001 - Lambda reports what the handler raised
        return json.dumps(complaint(error, **identity)).encode(), True
    try:
        answer = json.dumps(result, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        told = Unloadable("Runtime.MarshalError", f"Unable to marshal response: {error}")
        return json.dumps(complaint(told, **identity)).encode(), True
    if len(answer) > MOST_BYTES:
        message = (
            f"Response payload size exceeded maximum allowed payload size ({MOST_BYTES} bytes)."
        )
        document = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
        return json.dumps(document).encode(), True
    return answer, False


def send(out: BinaryIO, body: bytes, **head: Any) -> None:
    out.write(json.dumps({**head, "bytes": len(body)}).encode() + b"\n" + body)
    out.flush()


def receive(source: BinaryIO) -> Iterator[tuple[dict[str, Any], bytes]]:
    while line := source.readline():
        request = json.loads(line)
        yield request, source.read(request["bytes"])


def end_with_parent() -> None:
    """When nobody is left to hear the answer, a busy process ends too."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def limit_memory(megabytes: int) -> None:
    """A guard for this machine: the function's own limit is watched from outside."""
    import resource  # noqa: PLC0415 - only where there is a limit

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes * 2**20,) * 2)


def main(name: str, megabytes: str = "") -> None:
    source, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    if megabytes:
        limit_memory(int(megabytes))
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        handler = load(name)
    except Exception as error:  # noqa: BLE001 - whatever a module raises when it is imported
        send(out, json.dumps(complaint(error)).encode(), failed=True)
        os._exit(1)
    send(out, b"", failed=False)
    for request, event in receive(source):
        body, failed = answered(handler, request, event)
        send(out, body, failed=failed)


if __name__ == "__main__":
    main(*sys.argv[1:])
