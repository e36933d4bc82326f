"""Who can be asked what a picture shows: the API, or the SageMaker endpoint behind it.

Both are asked again while they say that they have too much to do, as soon as they say to come back.
What is wrong with one picture is a `Refused`; what is wrong with all of them a UserError.
"""

import json
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from botocore.exceptions import ClientError

from kennel import aws
from kennel.errors import Failed, UserError

TRIES = 6
LONGEST = 30.0  # seconds to wait at most, whatever Retry-After says
MOST_BYTES = 6 * 1024 * 1024  # of a request to an endpoint
SHOWN = 80  # bytes of an answer that is none
MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}


@dataclass(frozen=True)
class Picture:
    name: str
    content: bytes | None  # None: the name is its URL

    @property
    def type(self) -> str:
        kinds = [kind for magic, kind in MAGIC.items() if (self.content or b"").startswith(magic)]
        return kinds[0] if kinds else "application/octet-stream"


class Refused(Exception):
    """No answer for this picture; the others may do better."""

    def __init__(self, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


class Busy(Exception):
    """Ask again, after so many seconds if they are named."""

    def __init__(self, why: str, status: int, after: str | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.after = float(after) if after and after.isdigit() else None


class Classifier(Protocol):
    def once(self, picture: Picture) -> Mapping[str, Any]: ...


def patiently(classifier: Classifier, picture: Picture, stop: threading.Event) -> Mapping[str, Any]:
    """The answer, however often it takes to ask; waiting ends when `stop` is set."""
    for attempt in range(1, TRIES + 1):
        try:
            return classifier.once(picture)
        except Busy as busy:
            if attempt == TRIES:
                why = f"{busy}; asked {TRIES} times: lower --concurrency"
                raise Refused(why, busy.status) from busy
            # Those that were refused together should not come back together.
            growing = 2.0**attempt / 4 * random.uniform(0.5, 1.5)  # noqa: S311
            wait = busy.after if busy.after is not None else growing
            if stop.wait(min(wait, LONGEST)):
                raise Refused("interrupted") from busy
    raise AssertionError


class Api:
    """`POST /v1/predict`, with a key if there is one."""

    def __init__(self, url: str, key: str | None, top: int, connections: int) -> None:
        self.url, self.top = url, top
        self.client = httpx.Client(
            headers={"x-api-key": key} if key else {},
            timeout=httpx.Timeout(35, connect=5),  # API Gateway itself gives up after 29 s
            limits=httpx.Limits(max_connections=connections),
        )

    def once(self, picture: Picture) -> Mapping[str, Any]:
        body: dict[str, Any] = (
            {"json": {"url": picture.name}}
            if picture.content is None
            else {"content": picture.content, "headers": {"Content-Type": picture.type}}
        )
        try:
            answer = self.client.post(self.url, params={"top": self.top}, **body)
        except httpx.TimeoutException as error:
            raise Busy(f"no answer within {self.client.timeout.read:.0f} s", 504) from error
        except httpx.TransportError as error:
            raise UserError(
                f"{self.url} cannot be reached ({error}): check the network, and that the service "
                "is applied (`make plan apply STACK=service`)"
            ) from error
        return self.judge(answer)

    def judge(self, answer: httpx.Response) -> Mapping[str, Any]:
        status, why = answer.status_code, words(answer.content) or answer.reason_phrase
        if status == 200:
            return content_of(answer.content, self.url)
        if status in (401, 403):
            raise UserError(
                f"{self.url} does not let us in ({status}: {why}): the API asks for a key, which "
                "the outputs of service hold; elsewhere give it in KENNEL_API_KEY"
            )
        if status in (404, 405):
            raise UserError(f"there is no classifier at {self.url} ({status}: {why})")
        if status in (429, 503):
            raise Busy(why, status, answer.headers.get("retry-after"))
        raise Refused(why, status)


class Endpoint:
    """InvokeEndpoint: the model alone, without function, API, key and limits of the API."""

    def __init__(self, name: str, region: str, top: int, connections: int) -> None:
        self.name, self.top = name, top
        self.client = aws.client(
            "sagemaker-runtime",
            region,
            max_pool_connections=connections,
            read_timeout=65,  # SageMaker itself gives up after 60 s
            retries={"mode": "standard", "total_max_attempts": 1},  # we know when to come back
        )

    def once(self, picture: Picture) -> Mapping[str, Any]:
        if picture.content is None:
            raise UserError(
                f"{picture.name}: an endpoint reaches no network and takes pictures only, not "
                "their addresses: ask the API (without --endpoint), or fetch it first"
            )
        if len(picture.content) > MOST_BYTES:
            raise Refused(f"{len(picture.content)} bytes; an endpoint takes {MOST_BYTES}", 413)
        try:
            answer = self.client.invoke_endpoint(
                EndpointName=self.name,
                Body=picture.content,
                ContentType=picture.type,
                Accept="application/json",
                CustomAttributes=f"top={self.top}",
            )
            return content_of(answer["Body"].read(), f"the endpoint {self.name}")
        except ClientError as error:
            if judged := self.judge(error):
                raise judged from error
            raise

    def judge(self, error: ClientError) -> Exception | None:
        """None: it is the same for all pictures."""
        code = error.response.get("Error", {}).get("Code", "")
        if code == "ModelError":
            status = int(error.response.get("OriginalStatusCode", 500))
            said = str(error.response.get("OriginalMessage", ""))
            why = words(said.encode()) or said or "the model failed"
            return Busy(why, status) if status in (429, 503) else Refused(why, status)
        if code in ("ThrottlingException", "ServiceUnavailable", "ModelNotReadyException"):
            return Busy(code, 503)
        return None


def content_of(body: bytes, who: str) -> dict[str, Any]:
    """The object that an answer holds; whoever says anything else is no classifier."""
    try:
        content = json.loads(body)
        if not isinstance(content, dict):
            raise TypeError
    except (ValueError, TypeError) as error:
        raise Failed(
            f"{who} does not answer as a classifier does ({body[:SHOWN]!r} is no JSON object): "
            "check the address, and the handler of the release that serves there"
        ) from error
    return content


def words(body: bytes) -> str:
    """What went wrong, as our function, API Gateway or our server put it."""
    try:
        content = json.loads(body)
        found = content.get("detail") or content.get("message") or content.get("error", {})
        return str(found.get("message", "") if isinstance(found, dict) else found)
    except (ValueError, AttributeError):
        return ""
