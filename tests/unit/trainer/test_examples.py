"""Which test pictures a deployment is tried with."""

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from trainer.data import Source

if TYPE_CHECKING:
    from trainer.measure import Judgement


def ranked(judged: "dict[str, Judgement]") -> list[int]:
    from trainer import examples

    return examples.ranked(judged)


def judgement(rows: list[list[float]], labels: list[int]) -> "Judgement":
    from trainer.measure import Judgement

    return Judgement(np.array(rows, np.float32), np.array(labels))


def test_each_class_comes_once_before_any_comes_twice_and_the_surest_first() -> None:
    full = judgement([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], [0, 0, 1, 1])
    assert ranked({"fp32": full}) == [0, 2, 1, 3], "the last one is wrong: it is the last resort"


def test_pictures_that_the_precisions_disagree_about_are_left_out() -> None:
    full = judgement([[0.9, 0.1], [0.51, 0.49], [0.3, 0.7]], [0, 0, 1])
    small = judgement([[0.8, 0.2], [0.49, 0.51], [0.4, 0.6]], [0, 0, 1])
    assert ranked({"fp32": full, "int8": small}) == [0, 2]


def test_pictures_that_another_arithmetic_could_answer_otherwise_are_left_out() -> None:
    """A server in bf16 shifts scores a little."""
    full = judgement([[0.9, 0.1], [0.53, 0.47], [0.3, 0.7]], [0, 0, 1])
    small = judgement([[0.9, 0.1], [0.8, 0.2], [0.46, 0.54]], [0, 0, 1])
    assert ranked({"fp32": full}) == [0, 2]
    assert ranked({"fp32": full, "int8": small}) == [0]


def test_of_a_model_that_is_clear_about_none_the_clearest_is_tried() -> None:
    full = judgement([[0.51, 0.49], [0.48, 0.52], [0.5, 0.5]], [0, 1, 0])
    assert ranked({"fp32": full}) == [1]


def test_a_large_picture_is_sent_smaller_and_a_small_one_as_it_is(tmp_path: Path) -> None:
    from trainer import examples

    noise = np.random.default_rng(1).integers(0, 256, (900, 1800, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    Image.fromarray(noise[:20, :20]).save(tmp_path / "small.png")
    names = ["large.png", "small.png"]
    judged = judgement([[0.9, 0.1], [0.1, 0.9]], [0, 1])
    sources = {name: Source(tmp_path / name) for name in names}
    examples.write(tmp_path / "r.json", {"classes": ["a", "b"]}, {"fp32": judged}, names, sources)
    large, small = json.loads((tmp_path / "r.json").read_text())["examples"]
    assert (large["name"], small["name"]) == ("large.png.jpg", "small.png")
    content = base64.b64decode(large["picture"])
    assert len(content) < examples.LARGEST < (tmp_path / "large.png").stat().st_size
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1024, 512))
    assert base64.b64decode(small["picture"]) == (tmp_path / "small.png").read_bytes()
