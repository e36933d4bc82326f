"""UpdateEndpoint's blue/green deployment: a second fleet, traffic in steps, back if an alarm rings.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from kennel.local.aws.serving.artifacts import Unavailable
from kennel.local.aws.serving.fleet import Fleet, NotHealthy

if TYPE_CHECKING:
    from kennel.local.aws.clock import Clock
    from kennel.local.aws.serving.alarms import Alarms
    from kennel.local.aws.serving.endpoints import Endpoint

POLL_SECONDS = 5.0  # by the clock, between looks at the alarms
log = logging.getLogger("kennel.rollout")


class RollBack(Exception):
    """The deployment is not to go on; the message becomes the failure reason."""


@dataclass(frozen=True)
class Plan:
    """A DeploymentConfig as numbers. Without one all traffic moves at once and nothing waits."""

    steps: tuple[float, ...] = (1.0,)
    wait: float = 0
    termination_wait: float = 0
    timeout: float = 14_400
    alarms: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: dict[str, Any] | None) -> Self:
        if not config:
            return cls()
        policy = config.get("BlueGreenUpdatePolicy") or {}
        routing = policy.get("TrafficRoutingConfiguration") or {}
        alarms = (config.get("AutoRollbackConfiguration") or {}).get("Alarms") or []
        return cls(
            steps=tuple(steps_of(routing)),
            wait=float(routing.get("WaitIntervalInSeconds") or 0),
            termination_wait=float(policy.get("TerminationWaitInSeconds") or 0),
            timeout=float(policy.get("MaximumExecutionTimeoutInSeconds") or 14_400),
            alarms=tuple(each["AlarmName"] for each in alarms),
        )


def steps_of(routing: dict[str, Any]) -> Iterator[float]:
    """The shares of traffic on the new fleet, up to all of it."""
    match routing.get("Type"):
        case "CANARY":
            yield routing["CanarySize"]["Value"] / 100
        case "LINEAR":
            step = routing["LinearStepSize"]["Value"] / 100
            yield from (step * number for number in range(1, math.ceil(1 / step)))
    yield 1.0


def move(endpoint: Endpoint, green: Fleet, clock: Clock, alarms: Alarms) -> None:
    """Move the endpoint to a new fleet, or leave it on the old one with a reason."""
    plan = Plan.of(endpoint.deployment)
    deadline = clock.now() + plan.timeout
    endpoint.next, endpoint.share = green, 0.0
    try:
        green.start(endpoint.give_up)
        for share in plan.steps:
            endpoint.share = share
            log.info("%s: %.0f %% of traffic on %s", endpoint.name, share * 100, green.config)
            bake(plan.wait, plan, deadline, clock, alarms)
        bake(plan.termination_wait, plan, deadline, clock, alarms)
    except (RollBack, NotHealthy, Unavailable) as error:
        go_back(endpoint, str(error))
        return
    blue, endpoint.fleet = endpoint.fleet, green
    endpoint.next, endpoint.share = None, 0.0
    blue.stop()
    endpoint.say("InService")


def bake(seconds: float, plan: Plan, deadline: float, clock: Clock, alarms: Alarms) -> None:
    """Wait, and watch the alarms meanwhile; look once even if there is nothing to wait for."""
    end = clock.now() + seconds
    while True:
        ringing = alarms.ringing(plan.alarms)
        if ringing:
            raise RollBack(f"One or more alarms went into ALARM: {', '.join(ringing)}.")
        now = clock.now()
        if now > deadline:
            raise RollBack(f"The update took longer than {plan.timeout:.0f} seconds.")
        if now >= end:
            return
        clock.sleep(min(POLL_SECONDS, end - now))


def go_back(endpoint: Endpoint, reason: str) -> None:
    """All traffic to the old fleet, the new one away: in service again, and why."""
    green = endpoint.next
    endpoint.say("RollingBack", reason)
    endpoint.next, endpoint.share = None, 0.0
    if green:
        green.stop()
    endpoint.say("InService", reason)
