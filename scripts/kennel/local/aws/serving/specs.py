"""What an endpoint is to serve, as it was when it was deployed."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from kennel.local.aws.serving.capture import Capture

STARTUP_SECONDS = 480.0  # real seconds until a container must answer pings


@dataclass(frozen=True)
class VariantSpec:
    """A production variant with its model's container, as they were when it was deployed."""

    name: str
    model: str
    image: str
    model_data: str
    count: int
    environment: dict[str, str] = field(default_factory=dict)
    instance_type: str = "ml.c6i.xlarge"
    isolated: bool = True
    max_concurrency: int | None = None  # serverless
    role: str = "arn:aws:iam::123456789012:role/unknown"  # where an older account kept none
    routing: str = "RANDOM"
    startup_seconds: float = STARTUP_SECONDS
    weight: float = 1.0


@dataclass(frozen=True)
class FleetSpec:
    endpoint: str
    config: str
    variants: tuple[VariantSpec, ...]
    capture: Capture | None = None

    def document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        variants = tuple(VariantSpec(**each) for each in document["variants"])
        capture = document.get("capture")
        return cls(
            document["endpoint"],
            document["config"],
            variants,
            Capture.kept(capture) if capture else None,
        )
