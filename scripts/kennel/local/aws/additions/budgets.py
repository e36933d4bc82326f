"""Budgets for moto: who hears of a notification, changes, tags."""

import json
from typing import Any

from moto.budgets.exceptions import NotFoundException
from moto.budgets.models import Budget, Notification
from moto.budgets.responses import BudgetsResponse

from kennel.local.aws.house import House

Tags = dict[str, dict[str, str]]


def install(_: House) -> None:
    tags: Tags = {}

    def create_budget(self: BudgetsResponse) -> str:
        answer = create(self)
        given = {each["Key"]: each["Value"] for each in self._get_param("ResourceTags") or []}
        name = self._get_param("Budget")["BudgetName"]
        tags[f"arn:aws:budgets::{self._get_param('AccountId')}:budget/{name}"] = given
        return answer

    def update_budget(self: BudgetsResponse) -> str:
        new = self._get_param("NewBudget")
        budget_of(self, new["BudgetName"]).budget.update(new)
        return "{}"

    def describe_subscribers_for_notification(self: BudgetsResponse) -> str:
        return json.dumps({"Subscribers": notification_of(self).subscribers})

    def list_tags_for_resource(self: BudgetsResponse) -> str:
        kept = tags.get(self._get_param("ResourceARN"), {})
        return json.dumps({"ResourceTags": [{"Key": k, "Value": v} for k, v in kept.items()]})

    def tag_resource(self: BudgetsResponse) -> str:
        kept = tags.setdefault(self._get_param("ResourceARN"), {})
        kept.update({each["Key"]: each["Value"] for each in self._get_param("ResourceTags")})
        return "{}"

    def untag_resource(self: BudgetsResponse) -> str:
        for key in self._get_param("ResourceTagKeys"):
            tags.get(self._get_param("ResourceARN"), {}).pop(key, None)
        return "{}"

    create = BudgetsResponse.create_budget
    for method in (
        create_budget,
        update_budget,
        describe_subscribers_for_notification,
        list_tags_for_resource,
        tag_resource,
        untag_resource,
    ):
        setattr(BudgetsResponse, method.__name__, method)


def budget_of(self: BudgetsResponse, name: str) -> Budget:
    try:
        return self.backend.budgets[self._get_param("AccountId")][name]
    except KeyError:
        raise NotFoundException(f"Unable to get budget: {name} - it doesn't exist.") from None


def notification_of(self: BudgetsResponse) -> Notification:
    wanted: dict[str, Any] = dict(self._get_param("Notification"))
    wanted.pop("NotificationState", None)  # which is ours to say
    for each in budget_of(self, self._get_param("BudgetName")).notifications:
        if wanted.items() <= each.details.items():
            return each
    raise NotFoundException("Unable to get notification - it doesn't exist.")
