"""How a run ends: exit code 0, or 1 with the reason in SageMaker's failure file."""

import sys
import traceback
from collections.abc import Callable

from trainer import paths
from trainer.errors import TrainingError

SHOWN = 1024  # characters of the file that SageMaker shows as the job's failure reason


def recorded(action: Callable[[], None]) -> int:
    """Do it, and return the exit code. A traceback goes to the log, its last line to the file."""
    try:
        action()
    except TrainingError as error:
        return record(str(error))
    except Exception as error:  # noqa: BLE001 - whatever happens, the job's status says what it was
        traceback.print_exc()
        return record(f"{type(error).__name__}: {error}")
    return 0


def record(reason: str) -> int:
    """The first reason stands: what fails later, fails because of it."""
    paths.FAILURE.parent.mkdir(parents=True, exist_ok=True)
    try:
        with paths.FAILURE.open("x") as file:
            file.write(reason[:SHOWN])
    except FileExistsError:
        return 1
    print(f"error: {reason}", file=sys.stderr, flush=True)
    return 1
