"""The entry point of the training image: `train`, as SageMaker calls it, `package`, `settings`."""

import gc
import json
import os
import signal
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from trainer import cpu, failure, package, paths, places, worker
from trainer.config import Config
from trainer.errors import TrainingError

USAGE = """usage: python -m trainer train            train as the files under /opt/ml say
       python -m trainer package FILE     pack the trained model as FILE (model.tar.gz)
       python -m trainer settings FILE... check each hyperparameters.json; print all as JSON"""
STOPPED = 128 + signal.SIGTERM
LAUNCHED = "TORCHELASTIC_RUN_ID"  # set by torchrun, which then has started all processes itself


def train() -> None:
    """A wrong setting is told before torch is imported, which takes seconds; then all the rest."""
    config = Config.read(paths.HYPERPARAMETERS)
    place = places.find(paths.RESOURCES, os.environ)
    config.check_step(len(place.hosts) * max(1, config.processes))  # or more, with more than a GPU
    gc.disable()  # imports leave no garbage, and to look for it takes a fifth of their time
    from trainer import launch  # noqa: PLC0415 - an error above need not wait for it

    gc.enable()

    if not launch.run_workers(config, place):
        print(f"event=end cause=SIGTERM checkpoints={paths.CHECKPOINTS}", flush=True)
        sys.exit(STOPPED)


def pack(target: Path) -> None:
    if not (paths.MODEL / "manifest.json").is_file():
        raise TrainingError(f"{paths.MODEL} holds no manifest.json: train a model first")
    print(f"event=package file={target} sha256={package.pack(paths.MODEL, target)}", flush=True)


def settings(files: list[Path]) -> int:
    """For whoever starts jobs: a wrong hyperparameter is known before the machine is paid for."""
    try:
        for path in files:
            print(json.dumps(asdict(Config.read(path))))
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    # As PID 1 of a container we would ignore the signal until torch's agent handles it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))
    match sys.argv[1:]:
        case ["train"]:
            cpu.prepare()
            if LAUNCHED in os.environ:
                return failure.worker(worker.run)
            paths.FAILURE.unlink(missing_ok=True)
            return failure.recorded(train)
        case ["package", target]:
            return failure.recorded(partial(pack, Path(target)))
        case ["settings", *files] if files:
            return settings([Path(each) for each in files])
    print(USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
