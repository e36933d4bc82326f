"""A handler that takes what waits together."""

import time
from typing import Any


def model_fn(_: str) -> str:
    return "model"


def input_fn(body: bytes, _: str) -> int:
    return int(body)


def predict_fn(data: int, model: str) -> tuple[int, int]:
    return predict_batch_fn([data], model)[0]


def predict_batch_fn(data: list[int], _: str) -> list[tuple[int, int]]:
    time.sleep(0.2)
    return [(each, len(data)) for each in data]


def output_fn(prediction: tuple[int, int], _: str) -> Any:
    return "{}/{}".format(*prediction), "text/plain"
