"""Usage plans, their keys and the stage's throttles, as they are in moto at this moment."""

import time
from dataclasses import dataclass, field

from moto.apigateway.models import APIGatewayBackend, UsagePlan

from kennel.local.description import Operation
from kennel.local.usage import Account, Bucket, Clock, Quota, Throttle, no_key, too_many
from kennel.local.visit import Visit

DAYS = {"DAY": 1, "WEEK": 7, "MONTH": 30}
Limits = tuple[Throttle | None, Quota | None]


@dataclass
class Plans:
    """Lets requests of one stage in. Use that was made of a plan stays counted while it stays."""

    backend: APIGatewayBackend
    api: str
    stage: str
    clock: Clock = time.time
    _accounts: dict[str, tuple[Limits, Account]] = field(default_factory=dict)
    _buckets: dict[str, tuple[Throttle, Bucket]] = field(default_factory=dict)

    async def guard(self, visit: Visit, operation: Operation) -> None:
        if operation.needs_key:
            key = visit.request.headers.get("x-api-key")
            visit.context["identity"] |= {"apiKey": key, "apiKeyId": self._charge(key)}
        self._throttle(operation)

    def _charge(self, value: str | None) -> str:
        for plan, key_id in self._plans_of(value):
            limits = limits_of(plan)
            known, account = self._accounts.get(key_id, (None, None))
            if account is None or known != limits:
                account = Account(*limits, self.clock)
                self._accounts[key_id] = limits, account
            account.charge()
            return key_id
        raise no_key()

    def _plans_of(self, value: str | None) -> list[tuple[UsagePlan, str]]:
        return [
            (plan, key.id)
            for plan in self.backend.usage_plans.values()
            if any(each == {"apiId": self.api, "stage": self.stage} for each in stages_of(plan))
            for key in self.backend.usage_plan_keys.get(plan.id, {}).values()
            if key.value == value and self._is_enabled(key.id)
        ]

    def _is_enabled(self, key_id: str) -> bool:
        """moto leaves a key that was deleted in its plans."""
        return key_id in self.backend.keys and self.backend.keys[key_id].enabled

    def _throttle(self, operation: Operation) -> None:
        settings = self.backend.get_stage(self.api, self.stage).method_settings
        own = f"{operation.path.strip('/').replace('/', '~1')}/{operation.method}"
        name = own if own in settings else "*/*"
        throttle = Throttle(
            rate=float(settings.get(name, {}).get("throttlingRateLimit", -1)),
            burst=int(settings.get(name, {}).get("throttlingBurstLimit", -1)),
        )
        if throttle.rate < 0 or throttle.burst < 0:
            return
        known, bucket = self._buckets.get(name, (None, None))
        if bucket is None or known != throttle:
            bucket = Bucket(throttle, self.clock)
            self._buckets[name] = throttle, bucket
        if not bucket.take():
            raise too_many()


def stages_of(plan: UsagePlan) -> list[dict[str, str]]:
    return [{"apiId": each["apiId"], "stage": each["stage"]} for each in plan.api_stages]


def limits_of(plan: UsagePlan) -> Limits:
    throttle, quota = plan.throttle, plan.quota
    return (
        Throttle(float(throttle["rateLimit"]), int(throttle["burstLimit"])) if throttle else None,
        Quota(int(quota["limit"]), DAYS[quota["period"]]) if quota else None,
    )
