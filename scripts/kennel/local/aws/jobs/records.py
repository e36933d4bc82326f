"""What Describe and List answer of jobs: documents that change as the jobs move, kept on disk."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.sagemaker.exceptions import ResourceInUseException, ValidationError

from kennel.local.aws.house import House

MOST_LISTED = 100
ENDED = ("Completed", "Failed", "Stopped")
Document = dict[str, Any]


@dataclass
class Record:
    """One job as the API describes it; times are seconds since 1970. Also moto's holder of tags."""

    kind: "Kind"
    document: Document
    tags: list[dict[str, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.document[f"{self.kind.noun}Name"])

    @property
    def arn(self) -> str:
        return str(self.document[f"{self.kind.noun}Arn"])

    @property
    def status(self) -> str:
        return str(self.document[f"{self.kind.noun}Status"])


@dataclass(frozen=True)
class Kind:
    noun: str  # TrainingJob
    resource: str  # training-job
    summary: tuple[str, ...]  # members of List's answer


class Records:
    """All jobs of one kind."""

    def __init__(self, house: House, kind: Kind) -> None:
        self.kind = kind
        self._house = house
        self._documents = house.documents(f"{kind.resource}s")
        self._records: dict[str, Record] = {}
        self._lock = threading.RLock()

    def load(self) -> None:
        """Those of before; whatever ran then has ended without a word."""
        for name, kept in self._documents.all():
            self._records[name] = Record(self.kind, kept["document"], kept["tags"])
            if self._records[name].status not in ENDED:
                reason = "InternalServerError: the local AWS ended while this ran. Start it again."
                self.update(name, FailureReason=reason, **self._ended("Failed"))

    def _ended(self, status: str) -> Document:
        more = {"SecondaryStatus": status} if self.kind.noun == "TrainingJob" else {}
        return {f"{self.kind.noun}Status": status} | more

    def add(self, name: str, request: Mapping[str, Any], **more: Any) -> Record:
        arn = self._house.arn("sagemaker", f"{self.kind.resource}/{name}")
        now = time.time()
        document = {k: deepcopy(v) for k, v in request.items() if k != "Tags"}
        document |= {
            f"{self.kind.noun}Name": name,
            f"{self.kind.noun}Arn": arn,
            f"{self.kind.noun}Status": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
            **more,
        }
        with self._lock:
            if name in self._records:
                raise ResourceInUseException(
                    f"{self.kind.noun} names must be unique: {arn} exists already."
                )
            self._records[name] = Record(self.kind, document, list(request.get("Tags") or []))
            self._save(name)
        return self._records[name]

    def update(self, name: str, **changes: Any) -> None:
        with self._lock:
            self._records[name].document |= {"LastModifiedTime": time.time(), **changes}
            self._save(name)

    def move(self, name: str, secondary: str, message: str, **changes: Any) -> None:
        """Into another secondary status, which its history notes."""
        now = time.time()
        with self._lock:
            history = self._records[name].document.setdefault("SecondaryStatusTransitions", [])
            if history:
                history[-1].setdefault("EndTime", now)
            entry = {"Status": secondary, "StartTime": now, "StatusMessage": message}
            if "EndTime" in changes:  # the last of all
                entry["EndTime"] = changes.pop("EndTime")
            history.append(entry)
            self.update(name, SecondaryStatus=secondary, **changes)

    def get(self, name: str) -> Record:
        with self._lock:
            if name not in self._records:
                raise ValidationError("Requested resource not found.")
            return self._records[name]

    def described(self, name: str) -> Document:
        with self._lock:
            described: Document = spoken(self.get(name).document)
            return described

    def delete(self, name: str) -> None:
        with self._lock:
            self.get(name)
            del self._records[name]
            self._documents.delete(name)

    def __iter__(self) -> Iterator[Record]:
        with self._lock:
            return iter(list(self._records.values()))

    def by_name(self) -> dict[str, Record]:
        """For moto, which looks for tags there."""
        return self._records

    def listed(
        self,
        request: Mapping[str, Any],
        only: Callable[[Record], bool] = lambda _: True,
        value: Callable[[Record], float | None] = lambda _: None,
    ) -> tuple[list[Record], str | None]:
        """A page, as List's parameters ask for it, and the token of the next."""
        found = [each for each in self if only(each) and self._wanted(each, request)]
        by = request.get("SortBy", "CreationTime")
        found.sort(key=lambda each: key_of(each, by, value(each)))
        if request.get("SortOrder", "Descending") == "Descending":
            found.reverse()
        start = token_of(request)
        end = start + int(request.get("MaxResults") or 10)
        return found[start:end], (str(end) if end < len(found) else None)

    def summaries(self, found: list[Record]) -> list[Document]:
        return [
            spoken({k: each.document[k] for k in self.kind.summary if k in each.document})
            for each in found
        ]

    def _wanted(self, record: Record, request: Mapping[str, Any]) -> bool:
        return (
            request.get("NameContains", "") in record.name
            and request.get("StatusEquals", record.status) == record.status
            and within(record.document, request, "CreationTime")
            and within(record.document, request, "LastModifiedTime")
        )

    def _save(self, name: str) -> None:
        record = self._records[name]
        self._documents.save(name, {"document": record.document, "tags": record.tags})


def key_of(record: Record, by: str, value: float | None) -> Any:
    match by:
        case "Name":
            return record.name
        case "Status":
            return record.status, record.document["CreationTime"]
        case "FinalObjectiveMetricValue":
            return value is not None, value
    return record.document["CreationTime"]


def within(document: Document, request: Mapping[str, Any], name: str) -> bool:
    """Whether a time lies where ...After and ...Before want it."""
    time = document[name]
    return bool(request.get(f"{name}After", time) <= time <= request.get(f"{name}Before", time))


def token_of(request: Mapping[str, Any]) -> int:
    token = str(request.get("NextToken") or "0")
    if not token.isdecimal():
        raise ValidationError(f"The NextToken {token!r} was not given by this service.")
    return int(token)


def spoken(value: Any, name: str = "") -> Any:
    """A copy with times as the answer's serializer takes them."""
    if isinstance(value, Mapping):
        return {key: spoken(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [spoken(each) for each in value]
    if isinstance(value, float) and name.endswith(("Time", "Timestamp")):
        return datetime.fromtimestamp(value, UTC).replace(tzinfo=None)
    return value
