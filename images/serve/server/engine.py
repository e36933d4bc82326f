"""The network, compiled by OpenVINO for this machine."""

import threading

import numpy as np
import openvino
from numpy.typing import NDArray

from server import cpu
from server.artifact import Artifact


class OpenVino:
    """Runs outside the interpreter lock; each calling thread has a request of its own."""

    def __init__(self, artifact: Artifact, streams: int, *, bf16: bool = False) -> None:
        self.precision = "bf16" if bf16 else artifact.precision
        properties = {
            # The container's allowance: left alone, OpenVINO would count the host's cores.
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": cpu.whole_cores(),
            # A pinned thread waits where a decoder runs on its core, and the other threads for it.
            "ENABLE_CPU_PINNING": False,
            # Left alone, it would take bf16 wherever the processor has it, and say nothing.
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        }
        self._compiled = openvino.Core().compile_model(artifact.graph, "CPU", properties)
        self._local = threading.local()

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        answer = self._local.request.infer([batch], share_inputs=True)
        scores: NDArray[np.float32] = answer[0].copy()
        return scores
