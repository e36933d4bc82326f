"""The state of a run on disk: tensors as safetensors, the rest as JSON with their digest.

    step-0000000120.safetensors    weights, their average, the optimiser's state
    step-0000000120.json           step, history, settings, sha256 of the file above and of this

Both are written under a temporary name, forced to disk and renamed, the JSON last: a checkpoint
without it, or with another digest than it says, was not finished and is passed over.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

FORMAT = 2
OWN = "sha256_of_the_rest"  # in the JSON


@dataclass(frozen=True)
class Checkpoint:
    path: Path  # of the JSON
    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    @property
    def step(self) -> int:
        return int(self.facts["step"])


def write(folder: Path, tensors: dict[str, Tensor], facts: dict[str, Any], keep: int) -> Path:
    """Save, then remove all but this and the `keep - 1` before it: what is older, what a process
    that was killed has left, and what was passed over as damaged. An OSError leaves the old ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clear_unfinished(folder)
    path = folder / f"step-{facts['step']:010d}.json"
    content = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
    digest = hashlib.sha256(content).hexdigest()
    head = {"format": FORMAT, "sha256": digest} | facts
    place(path.with_suffix(".safetensors"), content)
    place(path, json.dumps(head | {OWN: digest_of(head)}, indent=1).encode())
    older = [each for each in newest_first(folder) if each < path]
    kept = {each.stem for each in (path, *older[: keep - 1])}
    for file in folder.glob("step-*"):
        if file.stem not in kept:
            file.unlink(missing_ok=True)
    return path


def clear_unfinished(folder: Path) -> None:
    """What a kill or a full disk has left would take the room of what comes next."""
    for file in (*folder.glob(".step-*.partial"), *folder.glob("step-*.safetensors")):
        if not file.with_suffix(".json").exists():
            file.unlink(missing_ok=True)


def digest_of(head: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()


def place(path: Path, content: bytes) -> None:
    """The file is there whole, or not at all, also after a loss of power."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.json"), reverse=True)


def newest_facts(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """What the newest one that says anything says of itself, whether its tensors are whole or not.
    Cheap."""
    for path in newest_first(folder):
        with suppress(ValueError):
            return path, read_facts(path)
    return None


def read_facts(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself, or a ValueError that says what is wrong with that."""
    try:
        facts: dict[str, Any] = json.loads(path.read_bytes())
        if facts["format"] != FORMAT:
            raise ValueError(f"it has format {facts['format']}, this trainer reads {FORMAT}")
        if facts.pop(OWN) != digest_of(facts):
            raise ValueError("it does not say what was saved (sha256 differs)")
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return facts


def read(path: Path) -> Checkpoint:
    """A whole checkpoint, or a ValueError that says what is wrong with it."""
    facts = read_facts(path)
    try:
        content = path.with_suffix(".safetensors").read_bytes()
    except OSError as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise ValueError("its tensors are not those that were saved (sha256 differs)")
    return Checkpoint(path, load(content), facts)


def whole_ones(folder: Path, warn: Callable[[str], None]) -> Iterator[Checkpoint]:
    """Those that can be used, newest first; the others with a warning."""
    for path in newest_first(folder):
        try:
            yield read(path)
        except ValueError as error:
            warn(f"checkpoint {path} is damaged and passed over: {error}")
