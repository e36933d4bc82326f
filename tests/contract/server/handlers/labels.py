"""Our classifier with another form of answer: the scores of its classes, a line each."""

from typing import Any


def output_fn(prediction: Any, _: str) -> Any:
    return "\n".join(f"{score:.3f}" for score in prediction), "text/csv"
