"""What the policies of a target come to together, and what cooldowns leave of it.

The largest capacity wins. A cooldown after growth lets through what is more than that growth, which
counts as part of it; one after shrinking holds off shrinking only, and ends with the next growth.
https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
https://docs.aws.amazon.com/autoscaling/application/APIReference/API_StepScalingPolicyConfiguration.html
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

COOLDOWN = 300.0


@dataclass(frozen=True)
class Wish:
    """What one policy asks for now."""

    asked: Callable[[int], int]  # where there is so much; the same where it is content
    out_cooldown: float = COOLDOWN
    in_cooldown: float = COOLDOWN


@dataclass
class Past:
    """What was last done to a variant, in seconds of the clock."""

    out_at: float = -math.inf
    in_at: float = -math.inf
    base: int = 0  # what there was before it began to grow

    def grew(self, now: float, before: int, cooldown: float) -> None:
        if now >= self.out_at + cooldown:
            self.base = before
        self.out_at, self.in_at = now, -math.inf

    def shrank(self, now: float) -> None:
        self.in_at = now


def decided(current: int, wishes: Sequence[Wish], past: Past, now: float) -> int:
    """The capacity that a target is to have; without a wish it stays."""
    return max((allowed(current, wish, past, now) for wish in wishes), default=current)


def allowed(current: int, wish: Wish, past: Past, now: float) -> int:
    """What a policy gets of its wish."""
    asked = wish.asked(current)
    if asked > current and now < past.out_at + wish.out_cooldown:
        return max(current, wish.asked(past.base))
    if asked < current and now < past.in_at + wish.in_cooldown:
        return current
    return asked
