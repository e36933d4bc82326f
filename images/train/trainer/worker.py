"""Each process of a run: `trainer.train`, and how it ends."""

import os
import signal
import sys

from trainer import failure, paths
from trainer.config import Config


def run() -> None:
    # Not before the check for a failure that would only come again: torch takes seconds to import.
    import torch  # noqa: PLC0415

    from trainer import train  # noqa: PLC0415

    # A fork has the launcher's torch, which was loaded before the variable was set.
    if threads := os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(threads))
    train.run(Config.read(paths.HYPERPARAMETERS))


def start() -> None:
    """Run one process for the launcher, without the signal handlers that a fork inherits."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_DFL)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # a stream it is
    if code := failure.worker(run):
        sys.exit(code)
