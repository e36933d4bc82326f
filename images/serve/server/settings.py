"""What the environment says: SageMaker's variables where it has one, KENNEL_... elsewhere."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from server import cpu
from server.errors import StartError

INVOKE_ENDPOINT_BYTES = 6_291_456  # what InvokeEndpoint lets through
MEGABYTE = 1024 * 1024
ENGINES = ("auto", "openvino", "torch")
GPU = Path("/dev/nvidiactl")
PRECISIONS = ("auto", "int8", "bf16", "fp32")


@dataclass(frozen=True)
class Settings:
    model: Path
    handler: str  # a module of the image, or nothing for our own
    engine: str
    precision: str
    host: str
    port: int
    descriptor: int | None  # of a listening socket that the parent process has opened
    metrics_port: int | None
    accept: str  # the answer's type where a request names none
    most_bytes: int  # of a request body
    most_bytes_inside: int  # of all bodies accepted and not answered yet
    most_requests: int  # accepted and not answered yet
    most_batch: int
    upload_seconds: float  # from a request's first byte to its last
    seconds: float  # from there to its answer
    grace: int  # seconds for what is in flight when the server is to end
    patience: float  # seconds without an answer of the engine that make it unfit
    decoders: int
    streams: int  # batches that the engine runs at the same time

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """SageMaker's defaults where nothing is set; a value that cannot be is an error by name."""

        def text(name: str, default: str) -> str:
            return environment.get(name, "").strip() or default

        def number(name: str, default: int, least: int, most: int) -> int:
            value = text(name, str(default))
            if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
                raise StartError(f"{name} is {value!r}: it can be {least} to {most}")
            return int(value)

        def one_of(name: str, values: tuple[str, ...]) -> str:
            value = text(name, values[0])
            if value not in values:
                raise StartError(f"{name} is {value!r}: it can be {' or '.join(values)}")
            return value

        engine = one_of("KENNEL_ENGINE", ENGINES)
        if engine == "auto":
            engine = "torch" if GPU.exists() else "openvino"
        cores = cpu.whole_cores()
        handler = text("KENNEL_HANDLER", "")
        batch = text("SAGEMAKER_BATCH", "false").lower() == "true"
        most_bytes = number("SAGEMAKER_MAX_PAYLOAD_IN_MB", 0, 0, 100) * MEGABYTE
        # Batch transform sends no more than it was told to, and gives up after a few refusals.
        at_once = number("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", 0, 0, 10_000) if batch else 0
        most_bytes = most_bytes or (100 * MEGABYTE if batch else INVOKE_ENDPOINT_BYTES)
        largest = math.ceil(most_bytes / MEGABYTE)
        most_inside = max(64, 2 * largest, at_once * largest)
        return cls(
            model=Path(environment.get("KENNEL_ML_ROOT", "/opt/ml"), "model"),
            handler=handler,
            engine=engine,
            precision=one_of("KENNEL_PRECISION", PRECISIONS),
            # The image sets 0.0.0.0, because SageMaker calls from outside the container.
            host=environment.get("KENNEL_HOST", "127.0.0.1"),
            port=number("SAGEMAKER_BIND_TO_PORT", 8080, 1, 65535),
            descriptor=number("KENNEL_FD", 0, 0, 1 << 20) or None,
            metrics_port=number("KENNEL_METRICS_PORT", 0, 0, 65535) or None,
            accept=text("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json"),
            most_bytes=most_bytes,
            most_bytes_inside=number("KENNEL_MOST_MB_INSIDE", most_inside, largest, 1 << 20)
            * MEGABYTE,
            most_requests=number("KENNEL_MOST_REQUESTS", max(16 * cores, at_once), 1, 100_000),
            most_batch=number("KENNEL_MOST_BATCH", 8, 1, 256),
            upload_seconds=number("KENNEL_UPLOAD_SECONDS", 20, 1, 3600),
            seconds=number("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", 55, 1, 3600),
            patience=number("KENNEL_PATIENCE_SECONDS", 15, 1, 3600),
            # SageMaker kills after 30 seconds.
            grace=number("KENNEL_GRACE_SECONDS", 25, 0, 3600),
            decoders=number("KENNEL_DECODERS", cores, 1, 256),
            # A handler of a user's was written for one request at a time; torch shares a batch
            # among all cores by itself.
            streams=number("KENNEL_STREAMS", 1 if handler or engine == "torch" else cores, 1, 256),
        )
