"""What a run says: a line for people and metric expressions, the same in metrics.jsonl."""

import json
import time

from trainer import paths
from trainer.world import World


def report(world: World, **values: object) -> None:
    """Rank 0 speaks for all."""
    if world.rank:
        return
    print(" ".join(f"{name}={value}" for name, value in values.items()), flush=True)
    try:
        paths.METRICS.parent.mkdir(parents=True, exist_ok=True)
        with paths.METRICS.open("a") as file:
            file.write(json.dumps(values) + "\n")
    except OSError as error:  # a full disk is no reason to end: the line above is in the log
        warn(f"{paths.METRICS} not written: {error}")


def warn(text: str) -> None:
    print(f"event=warning {json.dumps(text)}", flush=True)


def since(began: float) -> float:
    return round(time.monotonic() - began, 1)
