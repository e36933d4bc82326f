"""The command of each process of a run: `trainer.train`, and how it ends."""

import sys

from trainer import cpu, failure, paths
from trainer.config import Config


def run() -> None:
    cpu.avoid_broken_amx()
    # Not before the check for a failure that would only come again: torch takes seconds to import.
    from trainer import train  # noqa: PLC0415

    train.run(Config.read(paths.HYPERPARAMETERS))


if __name__ == "__main__":
    sys.exit(failure.worker(run))
