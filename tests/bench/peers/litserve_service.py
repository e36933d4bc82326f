"""LitServe with a handler as good as can be: our own decoding and OpenVINO graph, in batches."""

import base64
import os
from pathlib import Path

import litserve
import numpy as np
from starlette.requests import Request

from server import artifact, cpu, pictures
from server.engine import OpenVino


class Classifier(litserve.LitAPI):
    def setup(self, _: str) -> None:
        self.model = artifact.load(Path(os.environ["BENCH_MODEL"]), int8=cpu.has_int8())
        self.engine = OpenVino(self.model, streams=1)

    def decode_request(self, request: Request) -> np.ndarray:
        # By this annotation LitServe asks for no content type; what comes is the body's JSON.
        picture = base64.b64decode(request["picture"])
        return pictures.decode(picture, self.model.resize, self.model.size)

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        return np.stack(inputs)

    def predict(self, batch: np.ndarray) -> np.ndarray:
        return self.engine.infer(np.ascontiguousarray(batch))

    def encode_response(self, scores: np.ndarray) -> dict[str, list[float]]:
        return {"scores": scores.tolist()}


if __name__ == "__main__":
    api = Classifier(max_batch_size=8, batch_timeout=0.005, api_path="/predict")
    server = litserve.LitServer(api, accelerator="cpu", fast_queue=True)
    server.run(host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), generate_client_file=False)
