"""Hyperparameters on the command line, held to the trainer's own rules before anything is paid."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kennel.errors import UserError
from kennel.local.processes import clean_environment


def parse(pairs: Iterable[str]) -> dict[str, str]:
    """`name=value` as often as it was given; SageMaker passes all values as strings."""
    settings = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            raise UserError(f"--set {pair}: write it as name=value, for example --set epochs=20")
        settings[name.strip()] = value.strip()
    return settings


def complete(*settings: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each with all of the trainer's settings in their types; empty where there is no trainer.

    The trainer is another part, so it is asked as a program. A job in an older image may still
    refuse what this one takes; it says so in its first seconds.
    """
    if importlib.util.find_spec("trainer") is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.json") for number in range(len(settings))]
        for path, each in zip(paths, settings, strict=True):
            path.write_text(json.dumps(dict(each)))
        run = subprocess.run(
            [sys.executable, "-m", "trainer", "settings", *map(str, paths)],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode:
        raise UserError(run.stderr.strip().removeprefix("error: "))
    return [dict(json.loads(line)) for line in run.stdout.splitlines()]
