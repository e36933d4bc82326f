"""The function's settings: KENNEL_* variables, read once, each fault named before the first event.

KENNEL_ENDPOINT       the endpoint's name; the only one that must be set
KENNEL_ALLOWED_HOSTS  fetch from these hosts only: names, or *.name for all below it
KENNEL_ALLOW_HTTP     true lets http:// URLs be fetched too
KENNEL_PORTS          the ports that URLs may name: 443, and 80 where http is allowed
KENNEL_CORS_ORIGINS   the origins whose pages may call the API, or *
KENNEL_S3_BUCKETS     the buckets that s3:// URLs may name; the role must be able to read them

Lists are separated by commas.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

PREFIX = "KENNEL_"
HOST = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*")
ORIGIN = re.compile(r"\*|https?://[a-z0-9.-]+(:[0-9]+)?")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
ENDPOINT = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


class SettingsError(Exception):
    """A variable is missing, unknown or holds what cannot be meant."""


class Settings(NamedTuple):
    endpoint: str
    hosts: tuple[str, ...]
    schemes: frozenset[str]
    ports: frozenset[int]
    origins: tuple[str, ...]
    buckets: tuple[str, ...]


def load(environment: Mapping[str, str]) -> Settings:
    given = Given({k: v for k, v in environment.items() if k.startswith(PREFIX)})
    http = given.boolean("KENNEL_ALLOW_HTTP")
    settings = Settings(
        endpoint=given.required("KENNEL_ENDPOINT", ENDPOINT),
        hosts=given.list("KENNEL_ALLOWED_HOSTS", HOST),
        schemes=frozenset({"https", "http"} if http else {"https"}),
        ports=given.ports("KENNEL_PORTS", {443, 80} if http else {443}),
        origins=given.list("KENNEL_CORS_ORIGINS", ORIGIN),
        buckets=given.list("KENNEL_S3_BUCKETS", BUCKET),
    )
    given.check_all_read()
    return settings


class Given:
    """The variables as they are set. One that is empty counts as not set."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._unread = variables

    def _take(self, name: str) -> str:
        return self._unread.pop(name, "").strip()

    def required(self, name: str, pattern: re.Pattern[str]) -> str:
        text = self._take(name)
        if not text:
            raise SettingsError(f"{name} is not set, and has no default")
        if not pattern.fullmatch(text):
            raise SettingsError(f"{name} is {text!r}, which cannot be right")
        return text

    def boolean(self, name: str) -> bool:
        text = self._take(name) or "false"
        if text not in ("true", "false"):
            raise SettingsError(f"{name} is {text!r}: it can be true or false")
        return text == "true"

    def list(self, name: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
        items = tuple(item.strip() for item in self._take(name).split(",") if item.strip())
        for item in items:
            if not pattern.fullmatch(item):
                raise SettingsError(f"{name} holds {item!r}, which cannot be right")
        return items

    def ports(self, name: str, default: set[int]) -> frozenset[int]:
        ports = {int(item) for item in self.list(name, re.compile(r"[0-9]{1,5}", re.ASCII))}
        if not all(1 <= port <= 65535 for port in ports):
            raise SettingsError(f"{name} holds a number that is no port: 1 to 65535")
        return frozenset(ports or default)

    def check_all_read(self) -> None:
        """A misspelt name must not leave the door more open than was meant."""
        if self._unread:
            raise SettingsError(f"{min(self._unread)} is no setting of the function")
