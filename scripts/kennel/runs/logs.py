"""What the hosts of a run write, from CloudWatch, a little at a time."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Line:
    host: str
    text: str
    at: float  # seconds since 1970


@dataclass
class Tail:
    """The streams of a log group whose names begin with `prefix`, each read where it ended last."""

    logs: Any
    group: str
    prefix: str
    _tokens: dict[str, str] = field(default_factory=dict)
    _found: list[Line] = field(default_factory=list)  # kept if the network goes in between

    def lines(self) -> list[Line]:
        """What is new since the last time, of all hosts, in the order of time."""
        for stream in self._streams():
            self._read(stream)
        found, self._found = self._found, []
        return sorted(found, key=lambda line: line.at)

    def _streams(self) -> list[str]:
        missing = self.logs.exceptions.ResourceNotFoundException
        pages = self.logs.get_paginator("describe_log_streams").paginate(
            logGroupName=self.group, logStreamNamePrefix=self.prefix
        )
        try:
            return [each["logStreamName"] for page in pages for each in page["logStreams"]]
        except missing:  # nothing has ever been written
            return []

    def _read(self, stream: str) -> None:
        host = stream.removeprefix(self.prefix).lstrip("/-")
        while True:
            token = self._tokens.get(stream)
            answer = self.logs.get_log_events(
                logGroupName=self.group,
                logStreamName=stream,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            for event in answer["events"]:
                texts = event["message"].replace("\r", "\n").splitlines()
                self._found += [Line(host, text, event["timestamp"] / 1000) for text in texts]
            self._tokens[stream] = answer["nextForwardToken"]
            # The end of a stream is where the token stays; some events may come without a change.
            if answer["nextForwardToken"] == token or not answer["events"]:
                return
