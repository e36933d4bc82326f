"""Data capture: a share of an endpoint's requests and answers, as lines of JSON in S3.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

import base64
import json
import logging
import random
import threading
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from kennel.local.aws.bucket import Access, Bucket, Place
from kennel.local.aws.house import House

WRITE_SECONDS = 60.0  # by the clock, between two files of a variant
MODES = {"Input": ("Input",), "Output": ("Output",), "InputAndOutput": ("Input", "Output")}
log = logging.getLogger("kennel.capture")


@dataclass(frozen=True)
class Content:
    """A body, of a request or of an answer."""

    kind: str  # its content type
    body: bytes


@dataclass(frozen=True)
class Capture:
    """A DataCaptureConfig, and the role that writes."""

    destination: str
    percent: int
    modes: tuple[str, ...]
    role: str
    key: str | None = None
    csv: tuple[str, ...] = ()  # content types that are kept as text; all others in base64
    json: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any], role: str) -> Self | None:
        if not config.get("EnableCapture"):
            return None
        texts = config.get("CaptureContentTypeHeader") or {}
        modes = [mode for each in config["CaptureOptions"] for mode in MODES[each["CaptureMode"]]]
        return cls(
            destination=config["DestinationS3Uri"],
            percent=int(config["InitialSamplingPercentage"]),
            modes=tuple(modes),
            role=role,
            key=config.get("KmsKeyId"),
            csv=tuple(texts.get("CsvContentTypes") or ()),
            json=tuple(texts.get("JsonContentTypes") or ()),
        )

    @classmethod
    def kept(cls, document: dict[str, Any]) -> Self:
        """From JSON, which knows no tuples."""
        lists = ("modes", "csv", "json")
        return cls(**document | {name: tuple(document[name]) for name in lists})

    def line(self, asked: Content, answered: Content, inference_id: str | None) -> str:
        both = {"Input": asked, "Output": answered}
        about = {"eventId": str(uuid.uuid4()), "inferenceTime": f"{datetime.now(UTC):%FT%TZ}"}
        if inference_id:
            about["inferenceId"] = inference_id
        captured = {f"endpoint{mode}": self._told(mode, both[mode]) for mode in self.modes}
        return json.dumps({"captureData": captured, "eventMetadata": about, "eventVersion": "0"})

    def _told(self, mode: str, content: Content) -> dict[str, str]:
        kind = content.kind.partition(";")[0]
        encoding = "CSV" if kind in self.csv else "JSON" if kind in self.json else "BASE64"
        text = base64.b64encode(content.body) if encoding == "BASE64" else content.body
        return {
            "observedContentType": content.kind,
            "mode": mode.upper(),
            "data": text.decode(errors="replace"),
            "encoding": encoding,
        }


class Captures:
    """What is to be written at the next turn, by where."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lines: dict[tuple[Capture, str], list[str]] = defaultdict(list)
        self._lock = threading.Lock()

    def note(
        self, capture: Capture, whose: str, asked: Content, answered: Content, id_: str | None
    ) -> None:
        """`whose` is the endpoint and the variant, ENDPOINT/VARIANT."""
        if random.random() * 100 < capture.percent:  # noqa: S311 - a sample, no secret
            with self._lock:
                self._lines[capture, whose].append(capture.line(asked, answered, id_))

    def write(self) -> None:
        with self._lock:
            due, self._lines = self._lines, defaultdict(list)
        for (capture, whose), lines in due.items():
            name = f"{whose}/{datetime.now(UTC):%Y/%m/%d/%H/%M-%S}-{uuid.uuid4()}.jsonl"
            try:
                bucket = Bucket(Access(self._house, capture.role, "SageMaker"))
                place = Place.of(capture.destination).below(name)
                bucket.write(place, "".join(f"{each}\n" for each in lines).encode(), capture.key)
            except Exception:  # the endpoint serves on, whatever becomes of its capture
                log.exception("%s: %d requests are not captured", whose, len(lines))
