"""What a client can be told. Whatever is not one of these is a fault of ours: 500, without details.

RequestError
├── Invalid          400  the request contradicts the contract
├── TooLarge         413  more bytes or pixels than the limits allow
├── Unsupported      415  not a picture of a format we decode
├── Unreadable       422  a picture, but a damaged one
├── Overloaded       429  the queue is full; Retry-After says when to come back
└── Late             504  no answer within the time limit
"""


class RequestError(Exception):
    status = 400
    code = "invalid_request"
    retry_after: int | None = None


class Invalid(RequestError):
    pass


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


class Late(RequestError):
    status = 504
    code = "too_late"


class StartError(Exception):
    """The server cannot start; the message says why, in one line."""


class ArtifactError(StartError):
    """The model folder breaks the manifest's word; the message names the file."""
