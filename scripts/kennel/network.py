"""A network or an AWS that is away for a while: what runs there goes on, and so do we."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)

from kennel import remedies

LONGEST = 30.0  # seconds between tries while there is no answer
PATIENCE = 3600.0  # seconds until it is taken not to come back
Answer = TypeVar("Answer")


def outlasting(
    call: Callable[[], Answer],
    note: Callable[[str], None],
    sleep: Callable[[float], None],
    pause: float,
) -> Answer:
    """What a call answers, tried ever more seldom while it cannot be made."""
    away = 0.0
    while True:
        try:
            return call()
        except (NoConnection, HTTPClientError, ClientError) as error:
            away += pause
            trouble = trouble_of(error)
            if away > PATIENCE or not trouble:
                raise
            note(f"{trouble}; it goes on without us, trying again")
            pause = min(LONGEST, 2 * pause)
            sleep(pause)


def trouble_of(error: Exception) -> str:
    """What may pass; nothing of a refusal that will be the same the next time."""
    if not isinstance(error, ClientError):
        return f"network lost ({type(error).__name__})"
    code = error.response["Error"]["Code"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    passes = remedies.OF_CODE.get(code) == remedies.THROTTLED or status >= 500
    return f"AWS does not answer just now ({code})" if passes else ""


@contextmanager
def hinted(tell: Callable[[str], None], hint: str) -> Iterator[None]:
    """Who is interrupted or refused while a job goes on hears how to come back to that job."""
    try:
        yield
    except (KeyboardInterrupt, BotoCoreError, ClientError):
        tell(hint)
        raise


def create(call: Callable[..., Any], request: Mapping[str, Any]) -> None:
    """Make what has a new name of ours in SageMaker.

    If the first answer is lost, botocore asks again and hears that the name is taken: by us. At the
    first try it would be somebody else's.
    """
    try:
        call(**request)
    except ClientError as error:
        tried_again = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
        if not (tried_again and error.response["Error"]["Code"] == "ResourceInUse"):
            raise
