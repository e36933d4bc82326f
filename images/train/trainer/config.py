"""Every hyperparameter, its meaning, default and bounds. SageMaker passes all values as strings."""

import json
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

from trainer.errors import TrainingError


def setting(default: Any, help_: str, **bounds: Any) -> Any:
    """A field with its help and its bounds: `least` and `most`, or `choices`."""
    return field(default=default, metadata={"help": help_, **bounds})


@dataclass(frozen=True, kw_only=True)
class Config:
    name: str = setting("classifier", "name of the model, in its manifest and its answers")
    architecture: str = setting("resnet50", "a torchvision classification architecture")
    weights: str = setting(
        "none", "start from random values or from ImageNet", choices=("none", "imagenet")
    )
    size: int = setting(
        224, "side of the square that the network sees, in pixels", least=32, most=1024
    )
    resize: int = setting(
        256, "short side of a picture before the square is cut", least=32, most=1280
    )
    epochs: int = setting(10, "passes over the training pictures", least=1, most=10_000)
    batch: int = setting(32, "pictures per step, over all processes", least=2, most=65_536)
    rate: float = setting(0.01, "peak learning rate", least=1e-7, most=10.0)
    smoothing: float = setting(0.05, "label smoothing", least=0.0, most=0.5)
    decay: float = setting(5e-4, "weight decay", least=0.0, most=1.0)
    seed: int = setting(1, "of every random draw", least=0, most=2**31)
    processes: int = setting(0, "per machine; 0: one per GPU, or one without", least=0, most=64)

    def __post_init__(self) -> None:
        for each in fields(self):
            check(each.name, getattr(self, each.name), dict(each.metadata))
        if self.resize < self.size:
            raise TrainingError(f"resize is {self.resize}, below size {self.size}: make it larger")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The settings in SageMaker's hyperparameters.json; defaults where there is no file."""
        try:
            given = json.loads(path.read_text()) if path.exists() else {}
        except ValueError as error:
            raise TrainingError(f"{path} is not JSON: {error}") from error
        if not isinstance(given, dict):
            raise TrainingError(f"{path} must hold one JSON object of names and values")
        known = {each.name: each for each in fields(cls)}
        values = {}
        for name, text in given.items():
            if name not in known:
                raise TrainingError(unknown(name, list(known)))
            values[name] = convert(name, text, type(known[name].default))
        return cls(**values)


def unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return f"unknown hyperparameter {name}: {hint}"


def convert(name: str, value: Any, kind: type) -> Any:
    """SageMaker's string as the type of the field; JSON-quoted strings, as its SDK sends, too."""
    text = str(value).strip()
    if kind is str:
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    try:
        return kind(text.strip('"'))
    except ValueError:
        raise TrainingError(f"hyperparameter {name} is {text!r}, not {kind.__name__}") from None


def check(name: str, value: Any, rule: dict[str, Any]) -> None:
    if "choices" in rule and value not in rule["choices"]:
        raise TrainingError(
            f"hyperparameter {name} is {value!r}: choose {' or '.join(rule['choices'])}"
        )
    if "least" in rule and not rule["least"] <= value <= rule["most"]:
        bounds = f"{rule['least']} to {rule['most']}"
        raise TrainingError(f"hyperparameter {name} is {value}: it can be {bounds}")
