"""The calls that changed something, so that a restart can repeat them.

moto keeps everything in memory. Repeating what was asked brings it all back if the same names come
out, so each call draws its random numbers from a seed of its own, which is written down with it.
"""

import base64
import hashlib
import io
import json
import logging
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs

from moto.core.base_backend import AccountSpecificBackend
from moto.moto_api._internal.moto_random import MotoRandom

Environ = dict[str, Any]
Start = Callable[..., Any]
Wsgi = Callable[[Environ, Start], Iterable[bytes]]

LOOKS = re.compile(
    r"(Get|Describe|List|Head|Search|Query|Scan|Lookup|Decrypt|Verify|Simulate|Assume"
    r"|FilterLogEvents|PutLogEvents|PutMetricData|GenerateDataKey)"
)
RUNS = re.compile(r"/(async-)?invocations$|/_user_request_|/durable-executions|/moto-api/")
LARGE = 64 * 1024  # bytes of a body that get a file of their own
log = logging.getLogger("kennel.journal")
_source: ContextVar[Random | None] = ContextVar("source", default=None)


class Journal:
    """Writes calls down as they are answered, and repeats them."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "journal.jsonl"
        self._bodies = folder / "bodies"
        self._bodies.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._left_out: set[str] = set()
        self.repeating = False  # additions start nothing meanwhile, but when all is repeated

    def leave_out(self, *operations: str) -> None:
        """Operations, such as CreateEndpoint, that an addition keeps in its own way."""
        self._left_out |= set(operations)

    def around(self, application: Wsgi) -> Wsgi:
        """The application, with its changing calls written down."""

        def call(environ: Environ, start: Start) -> Iterable[bytes]:
            if self.repeating or not may_change(environ):
                return application(environ, start)
            return self._written_down(application, environ, start)

        return call

    def repeat(self, application: Wsgi) -> int:
        """Ask again all that was ever asked; how many calls that was."""
        count = 0
        self.repeating = True
        try:
            for entry in self._entries():
                try:
                    with seeded(entry["seed"]):
                        run(application, self._environ(entry))
                except Exception:  # one that cannot be repeated must not keep all from the others
                    log.exception("%s", entry["environ"])
                count += 1
        finally:
            self.repeating = False
        return count

    def _written_down(self, application: Wsgi, environ: Environ, start: Start) -> Iterable[bytes]:
        body = body_of(environ)
        operation = named(environ, body)
        if operation in self._left_out or LOOKS.match(operation):
            return application(environ, start)
        entry = described(environ)
        statuses: list[str] = []

        def noted(status: str, *rest: Any) -> Any:
            statuses.append(status)
            return start(status, *rest)

        with seeded(entry["seed"]):
            answer = list(application(environ, noted))
        if statuses and statuses[-1] < "400":
            self._write(entry, body)
        return answer

    def _write(self, entry: dict[str, Any], body: bytes) -> None:
        if len(body) > LARGE:
            name = hashlib.sha256(body).hexdigest()
            (self._bodies / name).write_bytes(body)
            entry["file"] = name
        else:
            entry["body"] = base64.b64encode(body).decode()
        with self._lock, self._file.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def _entries(self) -> Iterator[dict[str, Any]]:
        if self._file.exists():
            with self._file.open() as file:
                for line in file:
                    if line.endswith("\n"):  # else a crash cut it short: it was never answered
                        yield json.loads(line)

    def _environ(self, entry: dict[str, Any]) -> Environ:
        kept = entry.get("file")
        body = (
            (self._bodies / kept).read_bytes() if kept else base64.b64decode(entry.get("body", ""))
        )
        return {
            **entry["environ"],
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }


def may_change(environ: Environ) -> bool:
    looks = environ["REQUEST_METHOD"] in ("GET", "HEAD", "OPTIONS")
    return not looks and not RUNS.search(environ.get("PATH_INFO", ""))


def body_of(environ: Environ) -> bytes:
    """The body, which stays there to be read again."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = (
        environ["wsgi.input"].read()
        if environ.get("wsgi.input_terminated")
        else environ["wsgi.input"].read(length)
    )
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return bytes(body)


def named(environ: Environ, body: bytes) -> str:
    """The operation's name where the call says it: in a header, or in a form."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body[:4096].decode(errors="replace")).get("Action", [""])[0]
    return ""


def described(environ: Environ) -> dict[str, Any]:
    kept = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "RAW_URI", "REQUEST_URI", "SCRIPT_NAME",
            "SERVER_NAME", "SERVER_PORT", "CONTENT_TYPE")  # fmt: skip
    texts = {
        name: value
        for name, value in environ.items()
        if isinstance(value, str) and (name in kept or name.startswith("HTTP_"))
    }
    texts.pop("HTTP_TRANSFER_ENCODING", None)
    return {"seed": secrets.token_hex(8), "environ": texts}


def run(application: Wsgi, environ: Environ) -> None:
    answer = application(environ, lambda *_: lambda _: None)
    for _ in answer:
        pass
    if close := getattr(answer, "close", None):
        close()


class seeded:  # noqa: N801 - reads as a statement: with seeded(...)
    """Inside, moto draws from a source of this seed, whatever other calls draw."""

    def __init__(self, seed: str) -> None:
        self._seed = seed

    def __enter__(self) -> None:
        self._token = _source.set(Random(self._seed))  # noqa: S311 - names, not secrets

    def __exit__(self, *_: object) -> None:
        _source.reset(self._token)


def _random(self: MotoRandom) -> float:
    source = _source.get()
    return source.random() if source else Random.random(self)


def _getrandbits(self: MotoRandom, bits: int) -> int:
    source = _source.get()
    return source.getrandbits(bits) if source else Random.getrandbits(self, bits)


_of_region = AccountSpecificBackend.__getitem__


def _backend(self: "AccountSpecificBackend[Any]", region: str) -> Any:
    """What a service has from its beginning, such as a VPC, costs no call its own names."""
    if region in self.keys():  # `in self` asks whether AWS has such a region
        return _of_region(self, region)
    with seeded(f"{self.service_name} {self.account_id} {region}"):
        return _of_region(self, region)


def install() -> None:
    """Give moto's source of names the seeds; it is one object, imported everywhere by name."""
    for name, method in (("random", _random), ("getrandbits", _getrandbits)):
        setattr(MotoRandom, name, method)
    setattr(AccountSpecificBackend, "__getitem__", _backend)  # noqa: B010
