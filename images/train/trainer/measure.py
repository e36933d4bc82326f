"""How good a model is on pictures that it has not seen, and how sure that is."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

Z = 1.96  # standard deviations to each side of 95 % of a normal distribution


@dataclass(frozen=True)
class Judgement:
    """What a graph said of each test picture, and what is true."""

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]

    @property
    def right(self) -> NDArray[np.bool_]:
        chosen: NDArray[np.bool_] = self.probabilities.argmax(1) == self.labels
        return chosen

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    def top(self, count: int) -> float:
        best = np.argsort(-self.probabilities, axis=1)[:, :count]
        return float((best == self.labels[:, None]).any(1).mean())

    def confusion(self) -> NDArray[np.int64]:
        """Rows are what is true, columns what was said."""
        classes = self.probabilities.shape[1]
        table = np.zeros((classes, classes), np.int64)
        np.add.at(table, (self.labels, self.probabilities.argmax(1)), 1)
        return table

    def metrics(self) -> dict[str, float | list[float]]:
        return {
            "test_accuracy": round(self.accuracy, 4),
            "test_accuracy_interval": interval(int(self.right.sum()), len(self.labels)),
            "test_top5_accuracy": round(self.top(5), 4),
        }


def judge(
    graphs: Mapping[str, Path], squares: Iterable[NDArray[np.uint8]], labels: NDArray[np.int64]
) -> dict[str, Judgement]:
    """The graphs, as they will be served, on one picture after the other."""
    # Left to itself, OpenVINO computes fp32 in bf16 where the processor can.
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    core = openvino.Core()
    compiled = {name: core.compile_model(path, "CPU", hints) for name, path in graphs.items()}
    scores: dict[str, list[NDArray[np.float32]]] = {name: [] for name in graphs}
    for square in squares:
        for name, network in compiled.items():
            scores[name].append(network(square)[0])
    return {name: Judgement(softmax(np.concatenate(each)), labels) for name, each in scores.items()}


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    shares: NDArray[np.float32] = powers / powers.sum(1, keepdims=True)
    return shares


def interval(right: int, count: int) -> list[float]:
    """Wilson's 95 % interval of a share; it holds for few pictures and near 0 and 1 too."""
    share, spread = right / count, Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return [round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)]


def compare(full: Judgement, small: Judgement, margin: float) -> dict[str, float | list[float]]:
    """What the smaller precision loses, in points; from pairs, as both saw the same pictures."""
    lost = 100.0 * (full.right.astype(float) - small.right.astype(float))
    half = Z * float(lost.std()) / math.sqrt(len(lost))
    mean = float(lost.mean())
    return {
        "lost_points": round(mean, 3),
        "lost_points_interval": [round(mean - half, 3), round(mean + half, 3)],
        "margin_points": margin,
    }
