"""How good a model is, and how sure one can be of it."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from trainer.measure import Judgement


def judgement(answers: list[int], labels: list[int], classes: int = 3) -> "Judgement":
    from trainer.measure import Judgement

    return Judgement(np.eye(classes, dtype=np.float32)[answers], np.array(labels))


def test_accuracy_counts_pictures_and_confusion_rows_are_the_truth() -> None:
    said = judgement([0, 1, 1, 2], [0, 0, 1, 2])
    assert said.accuracy == 0.75
    assert said.confusion().tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert said.top(5) == 1.0


def test_among_the_best_five_of_seven_is_not_among_all() -> None:
    from trainer.measure import Judgement

    falling = np.linspace(0.7, 0.1, 7, dtype=np.float32)
    said = Judgement(np.stack([falling] * 4), np.array([0, 4, 5, 6]))
    assert said.top(5) == 0.5
    assert said.metrics()["test_top5_accuracy"] == 0.5
    assert said.top(1) == said.accuracy == 0.25


@pytest.mark.parametrize(
    ("right", "count", "expected"),
    [(0, 10, [0.0, 0.2775]), (10, 10, [0.7225, 1.0]), (450, 500, [0.8706, 0.9234])],
)
def test_the_interval_is_wilsons(right: int, count: int, expected: list[float]) -> None:
    from trainer.measure import interval

    assert interval(right, count) == pytest.approx(expected, abs=2e-4)


def test_the_loss_is_from_pairs_and_decides_about_fitness() -> None:
    from trainer.artifact import engine
    from trainer.measure import compare

    labels = [0] * 200
    full = judgement([0] * 190 + [1] * 10, labels)
    same = compare(full, full, 0.5)
    assert same["lost_points"] == 0
    assert same["lost_points_interval"] == [0, 0]
    assert engine("int8", same)["fit"]

    one_less = compare(full, judgement([0] * 189 + [1] * 11, labels), 0.5)
    assert one_less["lost_points"] == 0.5
    assert engine("int8", one_less)["fit"]  # at most the margin
    assert not engine("int8", compare(full, judgement([0] * 188 + [1] * 12, labels), 0.5))["fit"]
    assert engine("int8", compare(judgement([1] * 200, labels), full, 0.5))["fit"]  # it gains


def test_a_page_with_hostile_names_shows_them_as_text(tmp_path: Path) -> None:
    from trainer import page

    metrics = {
        "test_accuracy": 0.5,
        "test_accuracy_interval": [0.1, 0.9],
        "test_top5_accuracy": 1.0,
    }
    evil = "<script>alert(1)</script>"
    facts = page.Facts(
        manifest={
            "name": evil,
            "architecture": "resnet18",
            "version": "0" * 12,
            "classes": [evil, "b"],
            "engines": [{"engine": "openvino", "precision": "fp32", "file": "", "fit": True}],
            "metrics": {"fp32": metrics},
            "input": {"size": 32, "resize": 36},
            "test_pictures": 2,
            "data_sha256": "0" * 64,
        },
        judgement=judgement([0, 0], [0, 1], classes=2),
        square=lambda _: np.zeros((32, 32, 3), np.uint8),
        history=[
            {
                "train_loss": 1,
                "valid_accuracy": 0,
                "rate": 1,
                "images_per_second": 1,
                "data_share": 0,
            }
        ],
        counts={"train": [1, 1], "valid": [1, 1], "test": [1, 1]},
        settings={"name": evil},
        processes=1,
    )
    page.write(tmp_path / "report.html", facts)
    text = (tmp_path / "report.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
