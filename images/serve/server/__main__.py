"""The entry point of the inference image: `serve`, as SageMaker calls it."""

import logging
import os
import signal
import sys
from typing import NoReturn

from server import imports, log, memory


def main() -> int:
    log.configure()
    memory.keep_freed()
    # To end when told to is success. Uvicorn finishes what is in flight, then hands the signal on.
    signal.signal(signal.SIGTERM, lambda *_: end(0))
    if sys.argv[1:] == ["serve"]:
        imports.spare()
        from server import service  # noqa: PLC0415 - after what it need not import is spared

        return service.serve()
    print("usage: python -m server serve", file=sys.stderr)
    return 2


def end(code: int) -> NoReturn:
    """Without waiting for threads, as sys.exit would: an engine that hangs never ends."""
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    end(main())
