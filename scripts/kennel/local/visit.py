"""One request on its way through the gateway, and what templates may say of it: $context."""

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from kennel.local.refusals import Refused

VARIABLE = re.compile(r"\$context\.([A-Za-z]+(?:\.[A-Za-z]+)*)")


@dataclass(frozen=True)
class Place:
    """Where the request has arrived."""

    account: str = "000000000000"
    api: str = "local"
    stage: str = "local"
    prefix: str = ""  # in front of the API's own paths: /live


class Visit:
    def __init__(self, request: Request, place: Place, path: str) -> None:
        self.request = request
        self.path = path
        self.id = str(uuid.uuid4())
        self.began = time.monotonic()
        now = time.time()
        headers = request.headers
        self.trace = f"Root=1-{int(now):08x}-{uuid.uuid4().hex[:24]}"
        self.context: dict[str, Any] = {
            "accountId": place.account,
            "apiId": place.api,
            "domainName": headers.get("host", ""),
            "extendedRequestId": self.id.replace("-", "")[:16],
            "httpMethod": request.method,
            "identity": {
                "sourceIp": request.client.host if request.client else "",
                "userAgent": headers.get("user-agent", ""),
            },
            "path": place.prefix + path,
            "protocol": f"HTTP/{request.scope['http_version']}",
            "requestId": self.id,
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "requestTimeEpoch": int(now * 1000),
            "stage": place.stage,
        }
        self.more: dict[str, Any] = {"xrayTraceId": self.trace}
        self._body: bytes | None = None

    async def body(self, most: int) -> bytes:
        """Read once; beyond so many bytes the request is refused."""
        if self._body is None:
            body = bytearray()
            async for chunk in self.request.stream():
                body += chunk
                if len(body) > most:
                    message = f"the body has more than {most} bytes"
                    raise Refused("REQUEST_TOO_LARGE", message, {"Connection": "close"})
            self._body = bytes(body)
        return self._body

    @contextmanager
    def integrating(self) -> Iterator[None]:
        """Time what stands behind the gateway."""
        began = time.monotonic()
        try:
            yield
        finally:
            milliseconds = round((time.monotonic() - began) * 1000)
            self.more["integration"] = {"latency": milliseconds}
            self.more["integrationLatency"] = milliseconds

    def refused(self, refused: Refused) -> None:
        text = str(refused)
        self.more["error"] = {
            "message": text,
            "messageString": text,
            "responseType": refused.kind,
            "cause": str(refused.__cause__ or refused),
        }

    def answered(self, response: Response) -> None:
        self.more |= {
            "responseLatency": round((time.monotonic() - self.began) * 1000),
            "responseLength": len(response.body),
            "status": response.status_code,
        }

    def rendered(self, template: str, missing: str = "") -> str:
        """A template with its $context variables put in, so that JSON around them stays JSON."""

        def value(match: re.Match[str]) -> str:
            found = looked_up({**self.context, **self.more}, match[1])
            if found is None:
                return missing
            # The one variable that brings its own quotes.
            quoted = json.dumps(str(found))
            return quoted if match[1] == "error.messageString" else quoted[1:-1]

        return VARIABLE.sub(value, template)


def looked_up(values: Mapping[str, Any], name: str) -> Any:
    first, _, rest = name.partition(".")
    found = values.get(first)
    return looked_up(found, rest) if rest and isinstance(found, Mapping) else found
