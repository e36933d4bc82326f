"""The network, compiled by OpenVINO for this machine."""

import threading
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from server import cpu
from server.artifact import Artifact


class OpenVino:
    """Compiled twice: a batch alone gets all cores, which is soonest done; batches beside each
    other get one each, which does the most of them, as no core waits for another.

    Runs outside the interpreter lock; each calling thread has requests of its own.
    """

    queues = True

    def __init__(self, artifact: Artifact, streams: int, *, bf16: bool = False) -> None:
        self.precision = "bf16" if bf16 else artifact.precision
        core = openvino.Core()
        properties = {
            # The container's allowance: left alone, OpenVINO would count the host's cores.
            "INFERENCE_NUM_THREADS": cpu.whole_cores(),
            # A pinned thread waits where a decoder runs on its core, and the other threads for it.
            "ENABLE_CPU_PINNING": False,
            # Left alone, it would take bf16 wherever the processor has it, and say nothing.
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        }
        wide = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}
        narrow = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(streams)}
        self._wide = core.compile_model(artifact.graph, "CPU", properties | wide)
        self._narrow = self._wide
        if streams > 1:
            self._narrow = core.compile_model(artifact.graph, "CPU", properties | narrow)
        self._requests = threading.local()
        self._running, self._lock = 0, threading.Lock()

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._lock:
            alone = self._running == 0
            self._running += 1
        try:
            answer = self._request(alone=alone).infer([batch], share_inputs=True)
            scores: NDArray[np.float32] = answer[0].copy()
            return scores
        finally:
            with self._lock:
                self._running -= 1

    def _request(self, *, alone: bool) -> Any:
        name, model = ("wide", self._wide) if alone else ("narrow", self._narrow)
        kept = vars(self._requests)
        if name not in kept:
            kept[name] = model.create_infer_request()
        return kept[name]
