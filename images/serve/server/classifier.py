"""Our own handler: a picture in, the likeliest classes out."""

import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sagemaker_inference import content_types
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler

from server import choice
from server.artifact import Artifact
from server.choice import Decoder, Engine
from server.errors import Invalid
from server.invocation import Context
from server.settings import Settings

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
Square = NDArray[np.uint8]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Options:
    """How the answer is to look: `top=5,logits=true`."""

    top: int = 5
    logits: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        given = dict(part.strip().partition("=")[::2] for part in text.split(",") if part.strip())
        unknown = given.keys() - {"top", "logits"}
        if unknown:
            raise Invalid(f"unknown option {min(unknown)}: there are top and logits")
        top, logits = given.get("top", "5"), given.get("logits", "false")
        if not (top.isascii() and top.isdigit() and len(top) < 5 and 1 <= int(top) <= 1000):
            raise Invalid(f"option top is {top[:20]!r}: it can be 1 to 1000")
        if logits not in ("true", "false"):
            raise Invalid(f"option logits is {logits[:20]!r}: it can be true or false")
        return cls(int(top), logits == "true")

    @classmethod
    def of(cls, context: Context | None) -> Self:
        return cls.parse((context and context.get_request_header(0, ATTRIBUTES)) or "")


class Classifier(DefaultInferenceHandler):  # type: ignore[misc] # the toolkit has no types
    artifact: Artifact
    decoder: Decoder
    facts: dict[str, str]
    queues = False

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.read()

    def default_model_fn(self, model_dir: str, context: Context | None = None) -> Engine:  # noqa: ARG002
        self.artifact, engine, self.decoder = choice.start(self.settings)
        self.queues = engine.queues
        self.facts = {
            "model": self.artifact.name,
            "version": self.artifact.version,
            "precision": engine.precision,
        }
        return engine

    def default_input_fn(
        self,
        input_data: bytes,
        content_type: str,  # noqa: ARG002 - what a body is, its own bytes say
        context: Context | None = None,
    ) -> Any:
        Options.of(context)  # a request with wrong ones is refused before it costs anything
        if not input_data:
            raise Invalid("the body is empty: send a JPEG, PNG or WebP picture")
        return self.decoder.read(input_data)

    def default_predict_fn(
        self,
        data: Any,
        model: Engine,
        context: Context | None = None,  # noqa: ARG002
    ) -> Scores:
        scores: Scores = self.default_predict_batch_fn([data], model)[0]
        return scores

    def default_predict_batch_fn(self, data: list[Any], model: Engine) -> Scores:
        return model.infer(self.decoder.squares(data))

    def default_example_fn(self, model: Engine) -> Square:  # noqa: ARG002
        return np.zeros((self.artifact.size, self.artifact.size, 3), np.uint8)

    def default_output_fn(
        self,
        prediction: Scores,
        accept: str,  # noqa: ARG002 - there is one form of the answer
        context: Context | None = None,
    ) -> tuple[bytes, str]:
        answer = render(self.artifact, prediction, Options.of(context))
        return json.dumps(answer, separators=(",", ":")).encode(), content_types.JSON


def render(artifact: Artifact, scores: Scores, options: Options) -> dict[str, Any]:
    exponents = np.exp(scores - scores.max())
    probabilities = exponents / exponents.sum()
    best = np.argsort(-probabilities, kind="stable")[: options.top]
    content: dict[str, Any] = {
        "model": {"name": artifact.name, "version": artifact.version},
        "predictions": [
            {"label": artifact.classes[i], "probability": round(float(probabilities[i]), 6)}
            for i in best
        ],
    }
    if options.logits:
        content["logits"] = [round(float(score), 6) for score in scores]
    return content
