"""inputdataconfig.json: what SageMaker says that it has put under /opt/ml/input/data."""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from trainer import data
from trainer.errors import TrainingError

KNOWN = ("training", *data.SPLITS, "pretrained")


def found(inputs: Path, channels: Path) -> data.Found:
    """The pictures in the channels, once these are as they should be."""
    check(inputs, channels)
    return data.find(channels)


def check(inputs: Path, channels: Path) -> None:
    for name, channel in read(inputs).items():
        if name not in KNOWN:
            near = get_close_matches(name, KNOWN, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KNOWN)}"
            raise TrainingError(f"{inputs} names an unknown channel {name}: {hint}")
        mode = channel.get("TrainingInputMode", "File")
        if mode not in {"File", "FastFile"}:
            raise TrainingError(
                f"{inputs} gives channel {name} in mode {mode}, which cannot be read from twice: "
                "set its input mode to File or FastFile"
            )
        dealt_out = channel.get("S3DistributionType") == "ShardedByS3Key"
        if not (channels / name).is_dir() and not dealt_out:
            raise TrainingError(
                f"{inputs} names channel {name}, but there is no folder {channels / name}: check "
                "that the S3 prefix of the channel holds objects"
            )


def read(inputs: Path) -> dict[str, dict[str, Any]]:
    """The channels by name; none where nobody wrote the file."""
    try:
        content = json.loads(inputs.read_text()) if inputs.exists() else {}
    except ValueError as error:
        raise TrainingError(f"{inputs} is not JSON: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise TrainingError(f"{inputs} must hold an object a channel, by name")
    return content
