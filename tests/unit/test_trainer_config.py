"""Hyperparameters: SageMaker's strings become a checked configuration, or a helpful message."""

import json
from pathlib import Path

import pytest

from trainer.config import Config
from trainer.errors import TrainingError


def read(tmp_path: Path, content: object) -> Config:
    path = tmp_path / "hyperparameters.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return Config.read(path)


def test_strings_become_the_types_of_the_fields(tmp_path: Path) -> None:
    config = read(tmp_path, {"epochs": "3", "rate": "1e-3", "name": '"dogs"', "seed": 7})
    assert (config.epochs, config.rate, config.name, config.seed) == (3, 0.001, "dogs", 7)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert Config.read(tmp_path / "none.json") == Config()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": "3"}, "unknown hyperparameter epoch: did you mean epochs?"),
        ({"qqq": "3"}, "unknown hyperparameter qqq: there are name, architecture"),
        ({"epochs": "three"}, "hyperparameter epochs is 'three', not int"),
        ({"epochs": "0"}, "hyperparameter epochs is 0: it can be 1 to 10000"),
        ({"rate": "nan"}, "hyperparameter rate is nan: it can be"),
        ({"weights": "dogs"}, "hyperparameter weights is 'dogs': choose none or imagenet"),
        ({"size": "224", "resize": "200"}, "resize is 200, below size 224"),
        ("{", "is not JSON"),
        ("[]", "must hold one JSON object"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, given: object, message: str) -> None:
    with pytest.raises(TrainingError) as error:
        read(tmp_path, given)
    assert message in str(error.value)
