"""A network that is lost for a while: what runs on AWS goes on, and so do we."""

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import (
    ConnectionError as NoConnection,
)
from botocore.exceptions import (
    HTTPClientError,
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
