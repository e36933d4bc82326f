"""The network, compiled by OpenVINO for this machine."""

import threading

import numpy as np
import openvino
from numpy.typing import NDArray

from server.artifact import Artifact


class Engine:
    """Runs outside the interpreter lock; each calling thread has a request of its own."""

    def __init__(self, artifact: Artifact) -> None:
        self._compiled = openvino.Core().compile_model(
            artifact.graph, "CPU", {"PERFORMANCE_HINT": "LATENCY"}
        )
        self._local = threading.local()
        self.infer(np.zeros((artifact.size, artifact.size, 3), np.uint8))  # warm up

    def infer(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The scores of all classes for one picture."""
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        answer = self._local.request.infer([picture[None]], share_inputs=True)
        scores: NDArray[np.float32] = answer[0][0].copy()
        return scores
