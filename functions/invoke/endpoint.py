"""The call to the SageMaker endpoint, and what its failures mean to the caller."""

import json
import os
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from invoke.problems import Problem

# Made once per execution environment, outside the handler: connections are kept between requests.
_client = botocore.session.get_session().create_client(
    "sagemaker-runtime",
    config=Config(
        connect_timeout=1,
        read_timeout=20,  # below API Gateway's 29 seconds and the function's own timeout
        retries={"mode": "standard", "total_max_attempts": 2},
        tcp_keepalive=True,
    ),
)
_name = os.environ["KENNEL_ENDPOINT"]


def invoke(picture: bytes, content_type: str, attributes: str) -> dict[str, Any]:
    """The endpoint's answer to one picture; a Problem where it has none."""
    try:
        answer = _client.invoke_endpoint(
            EndpointName=_name,
            ContentType=content_type,
            Accept="application/json",
            CustomAttributes=attributes,
            Body=picture,
        )
        content: dict[str, Any] = json.loads(answer["Body"].read())
    except ClientError as error:
        raise explained(error) from error
    except HTTPClientError as error:
        timed_out = "timeout" in type(error).__name__.lower()
        status, what = (504, "did not answer in time") if timed_out else (503, "cannot be reached")
        raise Problem(status, f"the model {what}: try again", {"Retry-After": "2"}) from error
    except (BotoCoreError, ValueError) as error:
        raise Problem(502, "the model gave no usable answer: try again later") from error
    return content


def explained(error: ClientError) -> Problem:
    """AWS's error as ours. The model's own complaints about a picture are passed on."""
    code = error.response["Error"]["Code"]
    if code == "ModelError":
        status = int(error.response.get("OriginalStatusCode", 500))
        if 400 <= status < 500:
            return Problem(status, model_message(error))
        return Problem(502, "the model failed on this picture: try again later")
    if code in ("ThrottlingException", "Throttling", "TooManyRequestsException"):
        return Problem(429, "too many requests: slow down", {"Retry-After": "1"})
    if code in ("ServiceUnavailable", "ServiceUnavailableException", "ModelNotReadyException"):
        return Problem(503, "the model is not ready: try again", {"Retry-After": "5"})
    if code in ("ValidationError", "ValidationException"):
        return Problem(503, "the model is not deployed or is being replaced", {"Retry-After": "30"})
    return Problem(502, "the model could not be called: try again later")


def model_message(error: ClientError) -> str:
    try:
        return str(json.loads(error.response["OriginalMessage"])["error"]["message"])
    except (KeyError, TypeError, ValueError):
        return "the model refused the picture"
