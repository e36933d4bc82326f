"""The entry point of the training image: `train`, as SageMaker calls it, and `package`."""

import sys
from functools import partial
from pathlib import Path

from trainer import data, failure, package, paths
from trainer.config import Config
from trainer.errors import TrainingError

USAGE = """usage: python -m trainer train            train as the files under /opt/ml say
       python -m trainer package FILE     pack the trained model as FILE (model.tar.gz)"""


def train() -> None:
    """Check what can be checked before torch is imported and the first process starts, then run."""
    config = Config.read(paths.HYPERPARAMETERS)
    pictures = len(data.read_folder(paths.DATA).splits["train"])

    from trainer import launch  # noqa: PLC0415 - torch takes seconds to import; errors need not wait

    processes = launch.worker_count(config.processes)
    if min(pictures, config.batch) < 2 * processes:
        raise TrainingError(
            f"{pictures} pictures in batches of {config.batch} leave fewer than 2 a step for each "
            f"of {processes} processes: raise the hyperparameter batch or lower processes"
        )
    launch.run_workers(processes)


def pack(target: Path) -> None:
    if not (paths.MODEL / "manifest.json").is_file():
        raise TrainingError(f"{paths.MODEL} holds no manifest.json: train a model first")
    print(f"event=package file={target} sha256={package.pack(paths.MODEL, target)}", flush=True)


def main() -> int:
    match sys.argv[1:]:
        case ["train"]:
            paths.FAILURE.unlink(missing_ok=True)
            return failure.recorded(train)
        case ["package", target]:
            return failure.recorded(partial(pack, Path(target)))
    print(USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
