"""Application autoscaling for moto: tags, activities, and policies on endpoints that act.

moto writes targets and policies down. Here a policy's alarms exist, and what rings starts and
stops instances.
"""

import json
from typing import Any

from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.applicationautoscaling.models import (
    ApplicationAutoscalingBackend,
    FakeApplicationAutoscalingPolicy,
)
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.exceptions import ServiceException
from moto.sagemaker.exceptions import ValidationError

from kennel.local.aws.house import House
from kennel.local.aws.serving.alarms import Alarms
from kennel.local.aws.serving.endpoints import Endpoints
from kennel.local.aws.serving.measures import SPELL
from kennel.local.aws.serving.registered import DIMENSION
from kennel.local.aws.serving.scaling import PREDEFINED, Scaling, tracking_alarms
from kennel.local.aws.serving.schedule import schedule_of

Tags = dict[str, dict[str, str]]


class NotFound(ServiceException):
    code = "ResourceNotFoundException"


def install(house: House) -> None:
    endpoints = house.the(Endpoints)
    scaling = house.share(Scaling(house, endpoints, house.the(Alarms)))
    house.every(SPELL, scaling.keep_schedules)
    house.every(SPELL, scaling.keep_within)
    tags: Tags = {}
    complete_targets(endpoints, tags, house)
    complete_tags(tags)
    complete_policies(house)
    complete_activities(scaling)
    endpoints.on_deleted.append(lambda name: forget(house, name))


def complete_targets(endpoints: Endpoints, tags: Tags, house: House) -> None:
    register_as_moto_does = ApplicationAutoscalingBackend.register_scalable_target
    deregister_as_moto_does = ApplicationAutoscalingBackend.deregister_scalable_target
    answer_as_moto_does = ApplicationAutoScalingResponse.register_scalable_target

    def register_scalable_target(
        self: ApplicationAutoscalingBackend,
        namespace: str,
        r_id: str,
        dimension: str,
        min_capacity: int | None,
        max_capacity: int | None,
        role_arn: str,
        suspended_state: str,
    ) -> Any:
        # While the journal is repeated the endpoints are not there yet.
        if dimension == DIMENSION and not house.journal.repeating:
            check_variant(endpoints, r_id)
        least = min_capacity if min_capacity is not None else 0
        if max_capacity is not None and max_capacity < least:
            raise AWSValidationException("Minimum capacity cannot be greater than maximum capacity")
        return register_as_moto_does(
            self, namespace, r_id, dimension, min_capacity, max_capacity, role_arn, suspended_state
        )

    def deregister_scalable_target(
        self: ApplicationAutoscalingBackend, namespace: str, r_id: str, dimension: str
    ) -> None:
        deregister_as_moto_does(self, namespace, r_id, dimension)
        remove_policies(self, r_id, dimension)

    def register_and_tag(self: ApplicationAutoScalingResponse) -> str:
        answer = answer_as_moto_does(self)
        given = self._get_param("Tags")
        if given:
            tags.setdefault(json.loads(answer)["ScalableTargetARN"], {}).update(given)
        return answer

    put(ApplicationAutoscalingBackend, register_scalable_target, deregister_scalable_target)
    setattr(  # noqa: B010 - the name is the operation's
        ApplicationAutoScalingResponse, "register_scalable_target", register_and_tag
    )


def check_variant(endpoints: Endpoints, resource: str) -> None:
    _, name, _, variant = resource.split("/")
    try:
        variants = endpoints.get(name).fleet.variants
    except ValidationError:
        variants = {}
    if variant not in variants:
        raise AWSValidationException(f"The resource {resource} does not exist.")


def remove_policies(backend: ApplicationAutoscalingBackend, resource: str, dimension: str) -> None:
    """With the target go its policies, their alarms and its schedule."""
    for policy in list(backend.policies.values()):
        if policy.resource_id == resource and policy.scalable_dimension == dimension:
            backend.delete_scaling_policy(
                policy.policy_name, policy.service_namespace, resource, dimension
            )
    backend.scheduled_actions = [
        each
        for each in backend.scheduled_actions
        if (each.resource_id, each.scalable_dimension) != (resource, dimension)
    ]


def forget(house: House, endpoint: str) -> None:
    """An endpoint that is deleted is deregistered without a word."""
    from moto.applicationautoscaling.models import (  # noqa: PLC0415 - made per region on first use
        applicationautoscaling_backends,
    )

    backend = applicationautoscaling_backends[house.account][house.region]
    for resource in list(backend.targets.get(DIMENSION, {})):
        if resource.split("/")[1] == endpoint:
            backend.deregister_scalable_target("sagemaker", resource, DIMENSION)


def complete_tags(tags: Tags) -> None:
    def known(self: ApplicationAutoScalingResponse) -> str:
        arn = str(self._get_param("ResourceARN"))
        targets = self.applicationautoscaling_backend.targets.values()
        if not any(each.arn == arn for named in targets for each in named.values()):
            raise NotFound(f"Resource not found: {arn}")
        return arn

    def list_tags_for_resource(self: ApplicationAutoScalingResponse) -> str:
        return json.dumps({"Tags": tags.get(known(self), {})})

    def tag_resource(self: ApplicationAutoScalingResponse) -> str:
        tags.setdefault(known(self), {}).update(self._get_param("Tags"))
        return "{}"

    def untag_resource(self: ApplicationAutoScalingResponse) -> str:
        for key in self._get_param("TagKeys"):
            tags.get(known(self), {}).pop(key, None)
        return "{}"

    put(ApplicationAutoScalingResponse, list_tags_for_resource, tag_resource, untag_resource)


def complete_policies(house: House) -> None:
    put_as_moto_does = ApplicationAutoscalingBackend.put_scaling_policy
    alarms_as_moto_does = FakeApplicationAutoscalingPolicy.create_alarms

    def put_scaling_policy(
        self: ApplicationAutoscalingBackend, policy_name: str, *given: Any, **named: Any
    ) -> FakeApplicationAutoscalingPolicy:
        check_tracked(named)
        before = dict(self.policies)
        policy = put_as_moto_does(self, policy_name, *given, **named)
        [key] = [key for key, each in self.policies.items() if each is policy]
        if key in before:  # a changed policy keeps its ARN, which alarms of others may name
            before[key].delete_alarms(self.account_id, self.region_name)
            policy.policy_arn = before[key].policy_arn
            policy.delete_alarms(self.account_id, self.region_name)
            policy.alarms.clear()
            policy.create_alarms()
        return policy

    def create_alarms(self: FakeApplicationAutoscalingPolicy) -> None:
        alarms_as_moto_does(self)
        self.alarms.extend(tracking_alarms(house, self))

    put_schedule_as_moto_does = ApplicationAutoscalingBackend.put_scheduled_action

    def put_scheduled_action(self: ApplicationAutoscalingBackend, **given: Any) -> None:
        try:
            schedule_of(given["schedule"], given["timezone"], 0)
        except ValueError as error:
            raise AWSValidationException(f"Schedule: {error}") from error
        put_schedule_as_moto_does(self, **given)

    put(ApplicationAutoscalingBackend, put_scaling_policy, put_scheduled_action)
    put(FakeApplicationAutoscalingPolicy, create_alarms)


def check_tracked(given: dict[str, Any]) -> None:
    """Of an endpoint only the predefined metrics are measured here."""
    if (given["policy_type"], given["scalable_dimension"]) != ("TargetTrackingScaling", DIMENSION):
        return
    specified = given["policy_body"].get("PredefinedMetricSpecification") or {}
    if specified.get("PredefinedMetricType") not in PREDEFINED:
        names = ", ".join(PREDEFINED)
        raise AWSValidationException(f"The local AWS tracks {names} of endpoints, and no other.")


def complete_activities(scaling: Scaling) -> None:
    def describe_scaling_activities(self: ApplicationAutoScalingResponse) -> str:
        resource = self._get_param("ResourceId")
        found = [
            {
                "ActivityId": each.id,
                "ServiceNamespace": "sagemaker",
                "ResourceId": each.resource,
                "ScalableDimension": DIMENSION,
                "Description": each.description,
                "Cause": each.cause,
                "StartTime": each.at,
                "EndTime": each.at,
                "StatusCode": each.status,
            }
            for each in scaling.activities
            if resource in (None, each.resource)
        ]
        return json.dumps({"ScalingActivities": found})

    put(ApplicationAutoScalingResponse, describe_scaling_activities)


def put(kind: type, *methods: Any) -> None:
    for method in methods:
        setattr(kind, method.__name__, method)
