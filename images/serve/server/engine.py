"""The network, compiled by OpenVINO for this machine."""

import threading

import numpy as np
import openvino
from numpy.typing import NDArray

from server import cpu
from server.artifact import Artifact


class OpenVino:
    """Runs outside the interpreter lock; each calling thread has a request of its own."""

    def __init__(self, artifact: Artifact, streams: int) -> None:
        # The container's allowance: left alone, OpenVINO would count the host's cores.
        properties = {
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": cpu.whole_cores(),
        }
        self._compiled = openvino.Core().compile_model(artifact.graph, "CPU", properties)
        self._local = threading.local()

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        answer = self._local.request.infer([batch], share_inputs=True)
        scores: NDArray[np.float32] = answer[0].copy()
        return scores
