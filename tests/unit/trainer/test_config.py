"""Hyperparameters: SageMaker's strings become a checked configuration, or a helpful message."""

import json
from dataclasses import fields
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


@pytest.mark.parametrize(
    ("text", "value"), [("false", False), ("False", False), ("1", True), ('"true"', True)]
)
def test_a_word_becomes_yes_or_no(tmp_path: Path, text: str, value: bool) -> None:  # noqa: FBT001
    assert read(tmp_path, {"quantise": text}).quantise is value


def test_every_setting_says_what_it_is_and_where_it_ends() -> None:
    for each in fields(Config):
        assert each.metadata["help"]
        bounded = {"least", "most"} <= each.metadata.keys() or "choices" in each.metadata
        assert bounded or each.type in {str, bool}, each.name


@pytest.mark.parametrize(("processes", "accumulate"), [(17, 1), (2, 9)])
def test_a_step_has_two_pictures_for_each_process_and_part(processes: int, accumulate: int) -> None:
    config = Config(batch=32, accumulate=accumulate)
    config.check_step(1)
    config.check_pictures(36, processes)
    with pytest.raises(TrainingError, match="batch is 32: it leaves fewer than 2 pictures a step"):
        config.check_step(processes)
    with pytest.raises(TrainingError, match="33 training pictures are too few for"):
        config.check_pictures(33, processes)


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
        ({"quantise": "yes"}, "hyperparameter quantise is 'yes': it can be true or false"),
        ({"regime": "heads"}, "hyperparameter regime is 'heads': choose full or head"),
        ({"size": "224", "resize": "200"}, "resize is 200, below size 224"),
        ({"start_size": "16"}, "start_size is 16: it can be 32 to size, which is 224, or 0"),
        ({"start_size": "256"}, "start_size is 256: it can be 32 to size"),
        ({"regime": "head", "mixup": "0.2"}, "mixup is 0.2, which regime head"),
        ({"crop": "0"}, "hyperparameter crop is 0.0: it can be 0.05 to 1.0"),
        ("{", "is not JSON"),
        ("[]", "must hold one JSON object"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, given: object, message: str) -> None:
    with pytest.raises(TrainingError) as error:
        read(tmp_path, given)
    assert message in str(error.value)
