"""InvokeEndpoint: a request to a real server, under the limits that SageMaker has.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from kennel.local.aws.serving.capture import Captures, Content
from kennel.local.aws.serving.endpoints import Endpoint, Endpoints
from kennel.local.aws.serving.fleet import AllBusy, Fleet, NoInstance, Variant
from kennel.local.aws.serving.instance import Instance
from kennel.local.aws.serving.lacking import check_call
from kennel.local.aws.serving.measures import Series
from kennel.local.runtime import FORWARDED, MOST_BYTES
from kennel.local.usage import Bucket, Throttle

SECONDS = 60.0
QUOTA = Throttle(rate=10_000, burst=10_000)  # requests a second of an account
SERVING = ("InService", "Updating", "RollingBack", "SystemUpdating")
CUSTOM = "x-amzn-sagemaker-custom-attributes"
Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Reply:
    """What the container said."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class TooLong(Exception):
    """The container did not answer in time."""


class TooLarge(Exception):
    """The container's answer is beyond the limit."""


class Invocations:
    def __init__(self, endpoints: Endpoints, captures: Captures) -> None:
        self._endpoints = endpoints
        self._captures = captures
        self._quota = Bucket(QUOTA, time.monotonic)

    def invoke(self, name: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if not self._quota.take():
            return refusal(400, "ThrottlingException", "Rate exceeded")
        check_call(headers)
        if len(body) > MOST_BYTES:
            return refusal(413, "ValidationError", f"the body has more than {MOST_BYTES} bytes")
        endpoint = {each.name: each for each in self._endpoints}.get(name)
        if endpoint is None or endpoint.status not in SERVING:
            account = self._endpoints.house.account
            return refusal(
                400, "ValidationError", f"Endpoint {name} of account {account} not found."
            )
        wanted = headers.get("x-amzn-sagemaker-target-variant")
        try:
            fleet, variant, instance = endpoint.take(wanted)
        except NoInstance:
            return refusal(503, "ServiceUnavailable", f"no instance of {name} is in service")
        except AllBusy:
            return refusal(400, "ThrottlingException", f"{name} runs as many requests as it may")
        try:
            return self._ask(endpoint, fleet, variant, instance, headers, body)
        finally:
            variant.release(instance)

    def _ask(
        self,
        endpoint: Endpoint,
        fleet: Fleet,
        variant: Variant,
        instance: Instance,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        began = time.perf_counter()
        try:
            reply = forward(instance, headers, body)
        except TooLong:
            reply = Reply(0, {}, b"Your invocation timed out while waiting for a response")
        except TooLarge:
            reply = Reply(500, {}, f"the answer has more than {MOST_BYTES} bytes".encode())
        except httpx.TransportError as problem:
            reply = Reply(503, {}, f"the container does not answer: {problem!r}".encode())
        seconds = time.perf_counter() - began
        self._measure(endpoint, fleet, variant, reply, seconds)
        if reply.status != 200:
            return model_error(reply, f"/aws/sagemaker/Endpoints/{endpoint.name}")
        self._capture(fleet, variant, headers, body, reply)
        return 200, answer_headers(reply, variant), reply.content

    def _capture(
        self, fleet: Fleet, variant: Variant, headers: Mapping[str, str], body: bytes, reply: Reply
    ) -> None:
        if fleet.spec.capture:
            self._captures.note(
                fleet.spec.capture,
                f"{fleet.spec.endpoint}/{variant.name}",
                Content(headers.get("content-type", ""), body),
                Content(reply.headers.get("content-type", ""), reply.content),
                headers.get("x-amzn-sagemaker-inference-id"),
            )

    def _measure(
        self, endpoint: Endpoint, fleet: Fleet, variant: Variant, reply: Reply, seconds: float
    ) -> None:
        own = reply.status in range(200, 300)
        theirs = reply.status in range(400, 500)
        values = {
            "Invocations": 1.0,
            "Invocation4XXErrors": float(theirs),
            "Invocation5XXErrors": float(not own and not theirs),
            "InvocationModelErrors": float(not own),
            "InvocationsPerInstance": 1 / max(1, variant.current),
            "ModelLatency": seconds * 1e6,  # in microseconds
        }
        for metric, value in values.items():
            series = Series(metric, endpoint.name, fleet.config, variant.name)
            self._endpoints.measures.add(series, value)


def forward(instance: Instance, headers: Mapping[str, str], body: bytes) -> Reply:
    """Only the headers that SageMaker lets through; the whole answer within the time."""
    deadline = time.monotonic() + SECONDS
    kept = {name: headers[name] for name in FORWARDED if name in headers}
    content = bytearray()
    try:
        with instance.client.stream("POST", "/invocations", content=body, headers=kept) as answer:
            for chunk in answer.iter_raw():
                content += chunk
                if len(content) > MOST_BYTES:
                    raise TooLarge
                if time.monotonic() > deadline:
                    raise TooLong
            return Reply(answer.status_code, answer.headers, bytes(content))
    except httpx.TimeoutException:
        raise TooLong from None


def answer_headers(reply: Reply, variant: Variant) -> dict[str, str]:
    kept = {
        "content-type": reply.headers.get("content-type", "application/octet-stream"),
        "x-amzn-invoked-production-variant": variant.name,
    }
    if CUSTOM in reply.headers:
        kept[CUSTOM] = reply.headers[CUSTOM]
    return kept


def refusal(status: int, code: str, message: str, **more: Any) -> Answer:
    """An error as botocore reads it: its code in a header, its message in the body."""
    body = json.dumps({"Message": message, "message": message, **more}).encode()
    return status, {"x-amzn-errortype": code, "content-type": "application/json"}, body


def model_error(reply: Reply, log_group: str) -> Answer:
    message = reply.content.decode(errors="replace")
    return refusal(
        424,
        "ModelError",
        f"Received client or server error ({reply.status}) from primary and could not load the "
        f'entire response body. See {log_group} for more information. "{message[:256]}"',
        OriginalStatusCode=reply.status,
        OriginalMessage=message[:2048],
        LogStreamArn=log_group,
    )
