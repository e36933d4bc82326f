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
        "none",
        "start from random values, from torchvision's ImageNet weights (downloaded), or from the "
        "safetensors file in the channel `pretrained`",
        choices=("none", "imagenet", "channel"),
    )
    regime: str = setting(
        "full",
        "train all layers, or the last one on features that the others compute once",
        choices=("full", "head"),
    )
    views: int = setting(
        4, "of each picture, cut at random, that regime head keeps features of", least=1, most=1000
    )
    size: int = setting(
        224, "side of the square that the network sees, in pixels", least=32, most=1024
    )
    resize: int = setting(
        256, "short side of a picture before the square is cut", least=32, most=1280
    )
    start_size: int = setting(
        0,
        "side that the network sees in the first epoch; it grows to size over two thirds of them; "
        "0: size from the start",
        least=0,
        most=1024,
    )
    crop: float = setting(
        1.0,
        "least share of a picture's area that is cut at random and stretched to the square; 1: a "
        "square of size from a random place",
        least=0.05,
        most=1.0,
    )
    flip: bool = setting(default=True, help_="mirror half of the training pictures")
    colour: float = setting(
        0.0, "share by which brightness, contrast and saturation may change", least=0.0, most=0.9
    )
    erase: float = setting(
        0.0, "share of the training pictures that lose a rectangle", least=0.0, most=1.0
    )
    mixup: float = setting(
        0.0,
        "alpha of the beta distribution by which pictures of a step are blended; 0: not at all",
        least=0.0,
        most=10.0,
    )
    cutmix: float = setting(
        0.0, "the same for pictures of which a rectangle is another's", least=0.0, most=10.0
    )
    memory: float = setting(
        0.7,
        "share of a machine's memory for decoded pictures; a set that needs more is streamed",
        least=0.0,
        most=0.95,
    )
    epochs: int = setting(10, "passes over the training pictures", least=1, most=10_000)
    batch: int = setting(32, "pictures per step, over all processes", least=2, most=65_536)
    rate: float = setting(0.01, "peak learning rate", least=1e-7, most=10.0)
    warmup: float = setting(
        0.3, "share of all steps in which the learning rate rises", least=0.0, most=0.9
    )
    layer_decay: float = setting(
        1.0, "learning rate of each layer as a share of the next one's", least=0.1, most=1.0
    )
    accumulate: int = setting(
        1, "parts that a step's pictures are run in, to save memory", least=1, most=1024
    )
    ema: float = setting(
        0.0,
        "decay of the average of the weights, which is then the result",
        least=0.0,
        most=0.99999,
    )
    patience: int = setting(
        0,
        "epochs without a better validation before the end, with the best weights; 0: no such end",
        least=0,
        most=10_000,
    )
    balance: bool = setting(default=False, help_="weigh errors so that all classes count alike")
    precision: str = setting(
        "auto",
        "of the arithmetic: auto is bf16 where that is faster, on a GPU that has it and on a CPU "
        "with AMX, or an AMD one with AVX512-BF16, but not to train convolutions in groups on a "
        "CPU; else fp32",
        choices=("auto", "fp32", "bf16"),
    )
    compile: bool = setting(
        default=False,
        help_="let torch.compile translate the network (needs a C++ compiler, on a GPU triton too)",
    )
    smoothing: float = setting(0.05, "label smoothing", least=0.0, most=0.5)
    decay: float = setting(5e-4, "weight decay", least=0.0, most=1.0)
    quantise: bool = setting(default=True, help_="make a graph at int8 besides the one at fp32")
    margin: float = setting(
        0.5, "points of test accuracy that int8 may lose and still be fit", least=0.0, most=100.0
    )
    seed: int = setting(1, "of every random draw", least=0, most=2**31)
    processes: int = setting(0, "per machine; 0: one per GPU, or one without", least=0, most=64)
    restarts: int = setting(3, "of all processes, when one of them dies", least=0, most=100)
    save_steps: int = setting(0, "steps between checkpoints; 0: by time", least=0, most=10**9)
    save_minutes: float = setting(
        10.0, "minutes between checkpoints; 0: by steps", least=0.0, most=10_000.0
    )
    keep: int = setting(2, "checkpoints to keep, the newest ones", least=1, most=1000)

    def __post_init__(self) -> None:
        for each in fields(self):
            check(each.name, getattr(self, each.name), dict(each.metadata))
        if self.resize < self.size:
            raise TrainingError(f"resize is {self.resize}, below size {self.size}: make it larger")
        if self.start_size and not 32 <= self.start_size <= self.size:
            raise TrainingError(
                f"start_size is {self.start_size}: it can be 32 to size, which is {self.size}, or 0"
            )
        if self.regime == "head":
            self.check_head()

    def check_head(self) -> None:
        """What cannot be, where the network's own features are computed once."""
        for name in ("mixup", "cutmix", "start_size"):
            if getattr(self, name):
                raise TrainingError(
                    f"hyperparameter {name} is {getattr(self, name)}, which regime head, on "
                    "features computed once, cannot use: set it to 0 or regime to full"
                )

    def check_step(self, processes: int) -> None:
        """Batch normalisation takes the mean of at least two pictures."""
        if self.batch < self.fewest(processes):
            parts = f", in {self.accumulate} parts" if self.accumulate > 1 else ""
            raise TrainingError(
                f"hyperparameter batch is {self.batch}: it leaves fewer than 2 pictures a step for "
                f"each of {processes} processes{parts}: raise it, or lower processes"
            )

    def check_pictures(self, pictures: int, processes: int) -> None:
        if pictures < self.fewest(processes):
            raise TrainingError(
                f"{pictures} training pictures are too few for {processes} processes, which take 2 "
                f"at a time: there must be {self.fewest(processes)}; lower processes or accumulate"
            )

    def fewest(self, processes: int) -> int:
        return 2 * processes * self.accumulate

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
            if name.startswith("_"):  # SageMaker's own: tuning adds _tuning_objective_metric
                continue
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
    if kind is bool:
        answer = {"true": True, "1": True, "false": False, "0": False}.get(text.strip('"').lower())
        if answer is None:
            raise TrainingError(f"hyperparameter {name} is {text!r}: it can be true or false")
        return answer
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
