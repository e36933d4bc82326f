"""A network that is lost for a while: what runs on AWS goes on, and so do we."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import (
    ClientError,
    HTTPClientError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)

LONGEST = 30.0  # seconds between tries while the network is away
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
        except (NoConnection, HTTPClientError) as error:
            away += pause
            if away > PATIENCE:
                raise
            note(f"network lost ({type(error).__name__}); it goes on without us, trying again")
            pause = min(LONGEST, 2 * pause)
            sleep(pause)


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
