"""Which test pictures a deployment is tried with."""

import numpy as np

from trainer.examples import ranked
from trainer.measure import Judgement


def judgement(rows: list[list[float]], labels: list[int]) -> Judgement:
    return Judgement(np.array(rows, np.float32), np.array(labels))


def test_each_class_comes_once_before_any_comes_twice_and_the_surest_first() -> None:
    full = judgement([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], [0, 0, 1, 1])
    assert ranked({"fp32": full}) == [0, 2, 1, 3], "the last one is wrong: it is the last resort"


def test_pictures_that_the_precisions_disagree_about_are_left_out() -> None:
    full = judgement([[0.9, 0.1], [0.51, 0.49], [0.3, 0.7]], [0, 0, 1])
    small = judgement([[0.8, 0.2], [0.49, 0.51], [0.4, 0.6]], [0, 0, 1])
    assert ranked({"fp32": full, "int8": small}) == [0, 2]
