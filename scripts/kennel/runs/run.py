"""A run as the verbs see it, wherever it takes place."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kennel.runs import prices
from kennel.runs.logs import Line

RESULTS = Path(".kennel/jobs")  # what runs leave on this machine, a folder each


@dataclass(frozen=True)
class Status:
    state: str  # InProgress, Completed, Failed, Stopped
    detail: str = ""  # what it does at the moment
    reason: str = ""  # why it failed, in the container's own words where it had some
    instance_type: str = ""
    instances: int = 1
    seconds: float = 0.0  # that are billed, of each instance
    spot: bool = False
    began: str = ""

    @property
    def ended(self) -> bool:
        return self.state in ("Completed", "Failed", "Stopped")

    @property
    def dollars(self) -> float:
        # SageMaker's billable seconds of a Spot job hold the saving already.
        cheaper = self.spot and not self.instance_type.startswith("ml.")
        return prices.estimate(self.instance_type, self.instances, self.seconds, spot=cheaper)


@dataclass(frozen=True)
class Result:
    """What a completed run has left, and where it lies."""

    model_data: str  # s3://.../model.tar.gz, or a path
    folder: Path  # report.html, metrics.jsonl, release.json
    release: dict[str, Any] = field(default_factory=dict)  # the content of release.json

    @property
    def manifest(self) -> dict[str, Any]:
        return dict(self.release.get("manifest", {}))


class Run(Protocol):
    name: str
    where: str  # sagemaker, ec2, local

    def status(self) -> Status: ...
    def lines(self) -> Sequence[Line]: ...
    def stop(self) -> None: ...
    def collect(self, folder: Path) -> Result: ...


def summary(run: Run, status: Status, result: Result | None) -> dict[str, Any]:
    """The whole outcome, for --json."""
    cost = status.dollars
    told = asdict(status) | {"name": run.name, "where": run.where}
    told["dollars"] = None if cost != cost else round(cost, 4)  # noqa: PLR0124 - NaN is not itself
    if result:
        told |= {"model_data": result.model_data, "report": str(result.folder / "report.html")}
        told["metrics"] = result.manifest.get("metrics", {})
        told["version"] = result.manifest.get("version", "")
    return told
