"""A deployed release, asked about pictures whose answers are known, the way its users ask it."""

import base64
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from kennel.errors import Failed
from kennel.outputs import Outputs
from kennel.progress import counted

PATIENCE = 90.0  # seconds: a new key and a new stage of API Gateway are known only after a while
PAUSE = 2.0
TYPES = {".png": "image/png", ".webp": "image/webp"}  # all else is JPEG
SHOWN = 200  # characters of an answer that nobody can make out
UNSETTLED = {403, 429, 500, 502, 503, 504}


def check(
    service: Outputs,
    release: Mapping[str, Any],
    *,
    patience: float = PATIENCE,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Every example of release.json through the public API; how many there were.

    Right is what the model said of the picture after training, from the very version of it that
    was to be deployed.
    """
    examples, version = release["examples"], release["manifest"]["version"]
    url, key = str(service["predict_url"]), service.get("api_key")
    deadline = time.monotonic() + patience
    loopback = urlsplit(url).hostname == "127.0.0.1"
    with (
        httpx.Client(timeout=60, trust_env=not loopback) as client,
        counted("trying", len(examples), "pictures") as counter,
    ):
        for example in examples:
            answer = ask(client, url, key, example, deadline, sleep)
            judge(example, answer, version)
            counter.advance(1)
    return len(examples)


def ask(
    client: httpx.Client,
    url: str,
    key: str | None,
    example: Mapping[str, Any],
    deadline: float,
    sleep: Callable[[float], None],
) -> httpx.Response:
    headers = {"Content-Type": TYPES.get(Path(example["name"]).suffix.lower(), "image/jpeg")}
    if key:
        headers["x-api-key"] = key
    picture = base64.b64decode(example["picture"])
    while True:
        try:
            answer = client.post(url, params={"top": 1}, content=picture, headers=headers)
        except httpx.RequestError as error:
            trouble = f"the API at {url} cannot be reached: {str(error) or type(error).__name__}"
        else:
            if answer.is_success:
                return answer
            trouble = f"the API answered {answer.status_code} to {example['name']}: {answer.text}"
            if answer.status_code not in UNSETTLED:
                raise Failed(trouble)
        if time.monotonic() > deadline:
            raise Failed(trouble)
        sleep(PAUSE)


def judge(example: Mapping[str, Any], answer: httpx.Response, version: str) -> None:
    try:
        content = answer.json()
        served, said = content["model"]["version"], content["predictions"][0]["label"]
    except (ValueError, LookupError, TypeError) as error:
        raise Failed(
            f"the API answered {answer.status_code} to {example['name']}, but not as a classifier "
            f"does: {answer.text[:SHOWN]!r}"
        ) from error
    if served != version:
        raise Failed(f"the API serves model version {served}, the release is {version}")
    if said != example["label"]:
        raise Failed(
            f"{example['name']}: the API says {said}, after training the model said "
            f"{example['label']}"
        )
