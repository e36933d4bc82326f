"""How a run ends: 0 when it is done, 143 when SIGTERM ended it, 1 with the reason in a file."""

import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from trainer import paths
from trainer.errors import TrainingError

SHOWN = 1024  # characters of the file that SageMaker shows as the job's failure reason
PAUSE = 1.0  # seconds, so that the launcher sees first which other process was killed
RUN = "KENNEL_RUN"  # the folder in which the processes of a machine leave word for their launcher


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
    """In the file the first reason stands: what fails later, fails because of it."""
    print(f"error: {reason}", file=sys.stderr, flush=True)
    with suppress(OSError):  # a full disk leaves the log, which has it
        paths.FAILURE.parent.mkdir(parents=True, exist_ok=True)
        with paths.FAILURE.open("x") as file:
            file.write(reason[:SHOWN])
    return 1


def worker(action: Callable[[], None]) -> int:
    """The same for a process that a launcher may start again. A TrainingError comes back each
    time, so no second start is of use; of anything else the launcher is told."""
    if attempt() != "0" and paths.FAILURE.exists():
        return 1
    if attempt() == "0" and os.environ.get("LOCAL_RANK", "0") == "0" and RUN not in os.environ:
        paths.FAILURE.unlink(missing_ok=True)  # of a run before: a launcher of others leaves it
    try:
        action()
    except TrainingError as error:
        return record(str(error))
    except Exception as error:
        traceback.print_exc()
        if RUN not in os.environ:
            raise
        leave_word(f"reason-{attempt()}", f"{type(error).__name__}: {error}")
        if os.environ.get("WORLD_SIZE", "1") != "1":
            time.sleep(PAUSE)
        return 1
    return 0


def attempt() -> str:
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")


def leave_word(name: str, text: str) -> None:
    """The first process to write it is heard."""
    folder = os.environ.get(RUN)
    if folder:
        try:
            with Path(folder, name).open("x") as file:
                file.write(text)
        except FileExistsError:
            return


def mark_stopped() -> None:
    leave_word("stopped", "")


def reasons(folder: Path) -> list[str]:
    """What went wrong, the last attempt first."""
    return [path.read_text() for path in sorted(folder.glob("reason-*"), reverse=True)]
