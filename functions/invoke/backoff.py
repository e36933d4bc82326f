"""How long to wait before a call is repeated, learnt from how the last calls went."""

import random

SHORTEST, LONGEST = 0.05, 2.0


class Backoff:
    """Doubles the wait with each failure and halves it with each success, for all callers.

    So while the service refuses calls, new requests do not begin with the shortest wait again. The
    wait is drawn at random up to that bound, that callers do not come back together.
    """

    def __init__(self, draw: random.Random | None = None) -> None:
        self._bound = SHORTEST
        self._draw = draw or random.Random()  # noqa: S311 - spreads calls, guards nothing

    def failed(self) -> float:
        """Seconds to wait."""
        pause = self._draw.uniform(self._bound / 2, self._bound)
        self._bound = min(LONGEST, self._bound * 2)
        return pause

    def succeeded(self) -> None:
        self._bound = max(SHORTEST, self._bound / 2)
