"""What the environment says: SageMaker's variables where it has one, KENNEL_... elsewhere."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from server import cpu
from server.errors import StartError

INVOKE_ENDPOINT_BYTES = 6_291_456  # what InvokeEndpoint lets through


@dataclass(frozen=True)
class Settings:
    model: Path
    host: str
    port: int
    descriptor: int | None  # of a listening socket that the parent process has opened
    metrics_port: int | None
    most_bytes: int  # of a request body
    seconds: float  # from a request's last byte to its answer
    most_requests: int  # accepted and not answered yet
    most_batch: int
    decoders: int
    streams: int  # batches that the engine runs at the same time

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """SageMaker's defaults where nothing is set; a value that cannot be is an error by name."""

        def number(name: str, default: int, least: int, most: int) -> int:
            text = environment.get(name, "").strip() or str(default)
            if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
                raise StartError(f"{name} is {text!r}: it can be {least} to {most}")
            return int(text)

        cores = cpu.whole_cores()
        megabytes = number("SAGEMAKER_MAX_PAYLOAD_IN_MB", 0, 0, 100)
        return cls(
            model=Path(environment.get("KENNEL_ML_ROOT", "/opt/ml"), "model"),
            # The image sets 0.0.0.0, because SageMaker calls from outside the container.
            host=environment.get("KENNEL_HOST", "127.0.0.1"),
            port=number("SAGEMAKER_BIND_TO_PORT", 8080, 1, 65535),
            descriptor=number("KENNEL_FD", 0, 0, 1 << 20) or None,
            metrics_port=number("KENNEL_METRICS_PORT", 0, 0, 65535) or None,
            most_bytes=megabytes * 1024 * 1024 or INVOKE_ENDPOINT_BYTES,
            seconds=number("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", 55, 1, 3600),
            most_requests=number("KENNEL_MOST_REQUESTS", 16 * cores, 1, 100_000),
            most_batch=number("KENNEL_MOST_BATCH", 8, 1, 256),
            decoders=number("KENNEL_DECODERS", cores, 1, 256),
            streams=number("KENNEL_STREAMS", cpu.streams(), 1, 256),
        )
