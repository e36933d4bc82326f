"""The application with its two effects replaced: no network, no endpoint."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from invoke.application import PROBE, Application
from invoke.deadline import Deadline
from invoke.problems import Problem
from invoke.query import Options
from tests.conftest import ROOT

EVENTS = ROOT / "tests/unit/function/events"
LAMBDA_ID = "0f0e0d0c-0b0a-0908-0706-050403020100"
GATEWAY_ID = "4f1c1e6e-6d8e-4f0e-9a59-0d1f3f0b7c11"
PICTURE = PROBE
ANSWER = {
    "model": {"name": "dogs", "version": "1"},
    "predictions": [{"label": "beagle", "probability": 0.9}],
}


@dataclass
class Context:
    aws_request_id: str = LAMBDA_ID
    milliseconds: int = 29_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass(repr=False)
class World:
    """Both effects, what was asked of them, and the log."""

    pages: dict[str, bytes | Exception] = field(default_factory=dict)
    answer: dict[str, Any] | Exception = field(default_factory=lambda: dict(ANSWER))
    wait: Callable[[], object] = lambda: None  # what a fetch does first
    origins: tuple[str, ...] = ()
    fetched: list[str] = field(default_factory=list)
    invoked: list[tuple[bytes, str, Options, str]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def fetch(self, url: str, deadline: Deadline) -> bytes:  # noqa: ARG002 - as the real one
        self.fetched.append(url)
        self.wait()
        found = self.pages.get(url, Problem(422, "there is no such page"))
        if isinstance(found, Exception):
            raise found
        return found

    def invoke(
        self, picture: bytes, kind: str, options: Options, request_id: str, _: Deadline
    ) -> dict[str, Any]:
        self.invoked.append((picture, kind, options, request_id))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def call(self, event: object, **context: int) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers of the answer to an event."""
        handle = Application("dogs", self.origins, self.fetch, self.invoke, self.log.append)
        answer = handle(event, Context(**context))
        body = json.loads(answer["body"]) if answer["body"] else None
        return answer["statusCode"], body, answer["headers"]


@pytest.fixture
def world() -> World:
    return World({"https://pictures.example/dog.png": PICTURE})


@pytest.fixture
def event() -> Callable[..., dict[str, Any]]:
    """A factory of events from the files in `events`, with fields changed."""

    def make(name: str, **changes: object) -> dict[str, Any]:
        loaded = json.loads((EVENTS / f"{name}.json").read_text())
        return {**loaded, **changes}

    return make


def names() -> list[str]:
    return sorted(path.stem for path in Path(EVENTS).glob("*.json"))
