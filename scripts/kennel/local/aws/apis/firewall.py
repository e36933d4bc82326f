"""The web application firewall of a stage, for the rules that this machine can judge.

Patterns in one header and requests an address; AWS's managed rules let everything pass here.
"""

import re
import time
from collections import deque
from typing import Any

from moto.wafv2.models import FakeWebACL, wafv2_backends

from kennel.local.aws.house import House
from kennel.local.description import Operation
from kennel.local.refusals import Refused
from kennel.local.visit import Visit


class Firewall:
    """Of one stage, by the stage's own ARN."""

    def __init__(self, house: House, stage: str) -> None:
        self._house = house
        self._stage = stage
        self._visits: dict[str, deque[float]] = {}

    async def guard(self, visit: Visit, _: Operation) -> None:
        wall = self._wall()
        for rule in sorted(wall.rules, key=lambda each: each.priority) if wall else ():
            action = rule.action or {}
            if self._matches(rule.statement, visit) and "Block" in action:
                visit.more["wafResponseCode"] = "WAF_BLOCK"
                raise Refused("WAF_FILTERED", f"the firewall's rule {rule.name}")

    def _wall(self) -> FakeWebACL | None:
        walls = wafv2_backends[self._house.account][self._house.region].wacls.values()
        return next((each for each in walls if self._stage in each.associated_resources), None)

    def _matches(self, statement: dict[str, Any], visit: Visit) -> bool:
        if pattern := statement.get("RegexMatchStatement"):
            header = pattern["FieldToMatch"].get("SingleHeader", {}).get("Name", "")
            value = visit.request.headers.get(header, "")
            return bool(re.search(pattern["RegexString"], value))
        if rate := statement.get("RateBasedStatement"):
            address = visit.context["identity"]["sourceIp"]
            count = self._count(address, rate.get("EvaluationWindowSec", 300))
            return count > int(rate["Limit"])
        return False

    def _count(self, address: str, seconds: float) -> int:
        visits, now = self._visits.setdefault(address, deque()), time.monotonic()
        visits.append(now)
        while visits[0] < now - seconds:
            visits.popleft()
        return len(visits)
