"""What a client can be told. Whatever is not one of these is a fault of ours: 500, without details.

RequestError
├── Invalid          400  the request contradicts the contract
├── Slow             408  the body did not come in time
├── TooLarge         413  more bytes or pixels than the limits allow
├── Unsupported      415  not a picture of a format we decode
├── Unreadable       422  a picture, but a damaged one
├── Overloaded       429  as much waits as may; Retry-After says when to come back
└── Late             504  no answer within the time limit

All are errors of SageMaker's toolkit, so that a handler may raise those or these.
"""

from http import HTTPStatus

from sagemaker_inference.errors import BaseInferenceToolkitError, UnsupportedFormatError


class RequestError(BaseInferenceToolkitError):  # type: ignore[misc] # the toolkit has no types
    status = 400
    code = "invalid_request"
    retry_after: int | None = None

    def __init__(self, message: str) -> None:
        super().__init__(self.status, message, self.code)

    def __str__(self) -> str:
        return str(self.message)


class Invalid(RequestError):
    pass


class Slow(RequestError):
    status = 408
    code = "too_slow"


class TooLarge(RequestError):
    status = 413
    code = "too_large"


class Unsupported(RequestError):
    status = 415
    code = "unsupported_picture"


class Unreadable(RequestError):
    status = 422
    code = "unreadable_picture"


class Overloaded(RequestError):
    status = 429
    code = "overloaded"
    retry_after = 1


class Ending(Overloaded):
    status = 503
    code = "ending"


class Late(RequestError):
    status = 504
    code = "too_late"


def told(error: Exception) -> tuple[int, str, str] | None:
    """Status, code and message for the client, where the error is meant for one."""
    if isinstance(error, RequestError):
        return error.status, error.code, str(error)
    if isinstance(error, UnsupportedFormatError):
        return 415, "unsupported_media_type", str(error).partition("\n")[0]
    if isinstance(error, BaseInferenceToolkitError) and error.status_code in list(HTTPStatus):
        status = HTTPStatus(error.status_code)
        if status >= HTTPStatus.BAD_REQUEST:
            return status.value, status.name.lower(), str(error.message)
    return None


class StartError(Exception):
    """The server cannot start; the message says why, in one line."""


class HandlerError(StartError):
    """A user's handler failed to load; its cause belongs into the log."""


class ArtifactError(StartError):
    """The model folder breaks the manifest's word; the message names the file."""
