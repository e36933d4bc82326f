"""What API Gateway answers by itself, by the names that it has for each case.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from collections.abc import Mapping
from typing import NamedTuple


class Usual(NamedTuple):
    """The status, error type and message of a refusal, where the API sets nothing else."""

    status: int
    error: str
    message: str


USUAL = {
    "ACCESS_DENIED": Usual(403, "AccessDeniedException", "User is not authorized"),
    "API_CONFIGURATION_ERROR": Usual(500, "InternalServerErrorException", "Internal server error"),
    "BAD_REQUEST_BODY": Usual(400, "BadRequestException", "Invalid request body"),
    "BAD_REQUEST_PARAMETERS": Usual(400, "BadRequestException", "Missing required parameters"),
    "INTEGRATION_FAILURE": Usual(502, "InternalServerErrorException", "Internal server error"),
    "INTEGRATION_TIMEOUT": Usual(504, "InternalServerErrorException", "Endpoint request timed out"),
    "INVALID_API_KEY": Usual(403, "ForbiddenException", "Forbidden"),
    "INVALID_SIGNATURE": Usual(
        403, "InvalidSignatureException", "The request signature does not match"
    ),
    "MISSING_AUTHENTICATION_TOKEN": Usual(
        403, "MissingAuthenticationTokenException", "Missing Authentication Token"
    ),
    "QUOTA_EXCEEDED": Usual(429, "LimitExceededException", "Limit Exceeded"),
    "REQUEST_TOO_LARGE": Usual(413, "RequestTooLargeException", "Request Too Long"),
    "THROTTLED": Usual(429, "TooManyRequestsException", "Too Many Requests"),
    "WAF_FILTERED": Usual(403, "ForbiddenException", "Forbidden"),
}


class Refused(Exception):
    """The gateway answers in the function's place. `detail` is for people, here and in logs."""

    def __init__(
        self,
        kind: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        status: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status = status or USUAL[kind].status
        self.headers = dict(headers or {})
