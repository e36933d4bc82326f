"""What a run says: a line for people and metric expressions, the same in metrics.jsonl."""

import json
import time
from contextlib import suppress
from typing import Any

from trainer import checkpoint, paths
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


def go_on(world: World, step: int, history: list[dict[str, Any]]) -> None:
    """metrics.jsonl as it was after this step: what was said later will be said again, and epochs
    that another machine has said, whose file is lost, are known from the checkpoint."""
    if world.rank:
        return
    kept = [each for each in said_before() if not is_later(each, step, len(history))]
    known = {each.get("epoch") for each in kept if each["event"] == "epoch"}
    lost = [{"event": "epoch", **each} for each in history if each["epoch"] not in known]
    try:
        paths.METRICS.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(each) + "\n" for each in lost + kept)
        checkpoint.place(paths.METRICS, lines.encode())
    except OSError as error:
        warn(f"{paths.METRICS} not written: {error}")


def said_before() -> list[dict[str, Any]]:
    events = []
    with suppress(FileNotFoundError):
        for line in paths.METRICS.read_text().splitlines():
            with suppress(ValueError):  # a kill has cut it short
                events.append(json.loads(line))
    return events


def is_later(event: dict[str, Any], step: int, epochs: int) -> bool:
    later_epoch = event["event"] == "epoch" and event["epoch"] > epochs
    return bool(later_epoch or event["event"] == "artifact" or event.get("step", 0) > step)


def warn(text: str) -> None:
    print(f"event=warning {json.dumps(text)}", flush=True)


def since(began: float) -> float:
    return round(time.monotonic() - began, 1)
