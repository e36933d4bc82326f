"""What the emulated account answers, held against botocore's own models of the services."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from kennel.local.runtime import MOST_BYTES
from tests.contract.local.conftest import ACCOUNT, QUICK, Aws
from tests.contract.local.releases import Releases
from tests.contract.local.workload import program

ENDPOINT = """
    import socket
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

    server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=int(os.environ["KENNEL_FD"]))
    server.serve_forever()
"""
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/model/variant/live",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


def unknown(shape: Shape | None, value: Any, place: str = "") -> Iterator[str]:
    """What an answer holds that its model does not."""
    if isinstance(shape, StructureShape):
        for name, each in value.items():
            if name not in shape.members:
                yield f"{place}.{name}"
            elif each is not None:
                yield from unknown(shape.members[name], each, f"{place}.{name}")
        yield from (
            f"{place}.{name} is missing" for name in shape.required_members if name not in value
        )
    elif isinstance(shape, ListShape):
        for each in value:
            yield from unknown(shape.member, each, f"{place}[]")
    elif isinstance(shape, MapShape):
        for each in value.values():
            yield from unknown(shape.value, each, f"{place}{{}}")
    elif isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        yield f"{place} is {value!r}"


class Checked:
    """A client whose answers are compared with the models as they come."""

    def __init__(self, aws: Aws, service: str) -> None:
        self.client = aws.client(service)
        self.found: dict[str, list[str]] = {}
        self.client.meta.events.register("after-call", self._compare)

    def _compare(self, http_response: Any, model: Any, **_: Any) -> None:
        answer = json.loads(http_response.content or "{}")
        self.found.setdefault(model.name, []).extend(unknown(model.output_shape, answer))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


@pytest.fixture(scope="module")
def releases(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    model = tmp_path_factory.mktemp("model")
    (model / "weights").write_bytes(b"any")
    return Releases(aws, model)


def test_endpoints_answer_in_the_shapes_of_the_api(
    aws: Aws, releases: Releases, tmp_path: Path
) -> None:
    sagemaker = Checked(aws, "sagemaker")
    releases.sagemaker = sagemaker
    assert releases.endpoint("model", **program(tmp_path, ENDPOINT, "server"))
    other = releases.config(**program(tmp_path, ENDPOINT, "server"))
    sagemaker.update_endpoint(EndpointName="model", EndpointConfigName=other)
    releases.settled("model")
    wanted = [{"VariantName": "live", "DesiredWeight": 2.0}]
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="model", DesiredWeightsAndCapacities=wanted
    )
    releases.settled("model")
    sagemaker.list_endpoints()
    sagemaker.describe_endpoint_config(EndpointConfigName=other)
    sagemaker.describe_model(ModelName=other)
    assert len(sagemaker.found) == 9
    assert {name: found for name, found in sagemaker.found.items() if found} == {}


def test_autoscaling_answers_in_the_shapes_of_the_api(aws: Aws) -> None:
    scaling = Checked(aws, "application-autoscaling")
    arn = scaling.register_scalable_target(**TARGET, MinCapacity=2, MaxCapacity=2)
    scaling.tag_resource(ResourceARN=arn["ScalableTargetARN"], Tags={"a": "b"})
    scaling.list_tags_for_resource(ResourceARN=arn["ScalableTargetARN"])
    scaling.untag_resource(ResourceARN=arn["ScalableTargetARN"], TagKeys=["a"])
    while not scaling.describe_scaling_activities(**TARGET)["ScalingActivities"]:
        pass
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    policy = scaling.put_scaling_policy(
        **TARGET,
        PolicyName="load",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 100,
            "PredefinedMetricSpecification": metric,
        },
    )
    [found] = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert len(found["Alarms"]) == len(policy["Alarms"]) == 2
    scaling.put_scheduled_action(**TARGET, ScheduledActionName="night", Schedule="rate(1 day)")
    scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")
    scaling.deregister_scalable_target(**TARGET)
    # With the target has gone all that was for it.
    assert not scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    gone = scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")
    assert not gone["ScheduledActions"]
    assert len(scaling.found) == 10
    assert {name: found for name, found in scaling.found.items() if found} == {}


def test_tags_answer_in_the_shapes_of_the_api(aws: Aws, releases: Releases) -> None:
    sagemaker = Checked(aws, "sagemaker")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=releases.config())
    arn = config["EndpointConfigArn"]
    first, second = {"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}
    sagemaker.add_tags(ResourceArn=arn, Tags=[first, second])
    assert sagemaker.add_tags(ResourceArn=arn, Tags=[first])["Tags"] == [second, first]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["c"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [first]
    assert len(sagemaker.found) == 4
    assert {name: found for name, found in sagemaker.found.items() if found} == {}


def test_budgets_answer_in_the_shapes_of_the_api(aws: Aws) -> None:
    budgets = Checked(aws, "budgets")
    limit = {"Amount": "10", "Unit": "USD"}
    budget = {
        "BudgetName": "month",
        "BudgetLimit": limit,
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
    }
    notification = {
        "NotificationType": "ACTUAL",
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": 80.0,
    }
    who = [{"SubscriptionType": "EMAIL", "Address": "a@example.com"}]
    budgets.create_budget(
        AccountId=ACCOUNT,
        Budget=budget,
        NotificationsWithSubscribers=[{"Notification": notification, "Subscribers": who}],
        ResourceTags=[{"Key": "a", "Value": "b"}],
    )
    named = {"AccountId": ACCOUNT, "BudgetName": "month"}
    told = budgets.describe_subscribers_for_notification(**named, Notification=notification)
    assert told["Subscribers"] == who
    more = budget | {"BudgetLimit": limit | {"Amount": "20.0"}}
    budgets.update_budget(AccountId=ACCOUNT, NewBudget=more)
    assert budgets.describe_budget(**named)["Budget"]["BudgetLimit"]["Amount"] == "20.0"
    arn = {"ResourceARN": f"arn:aws:budgets::{ACCOUNT}:budget/month"}
    budgets.tag_resource(**arn, ResourceTags=[{"Key": "c", "Value": "d"}])
    budgets.untag_resource(**arn, ResourceTagKeys=["a"])
    assert budgets.list_tags_for_resource(**arn)["ResourceTags"] == [{"Key": "c", "Value": "d"}]
    assert len(budgets.found) == 7
    assert {name: found for name, found in budgets.found.items() if found} == {}


def test_the_registry_is_named_in_the_shape_of_the_api(aws: Aws) -> None:
    ecr = Checked(aws, "ecr")
    [given] = ecr.get_authorization_token()["authorizationData"]
    assert given["proxyEndpoint"].startswith("http://127.0.0.1:")
    assert ecr.found == {"GetAuthorizationToken": []}


def bounds(shape: Shape, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    """Numbers just outside what a model allows, by the names that lead to them."""
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            yield from bounds(member, (*path, name))
    elif shape.type_name == "integer":
        if "min" in shape.metadata:
            yield path, shape.metadata["min"] - 1
        if "max" in shape.metadata:
            yield path, shape.metadata["max"] + 1


def model_of(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def test_numbers_outside_the_documented_limits_are_refused(aws: Aws) -> None:
    sagemaker = aws.client("sagemaker", QUICK.merge(Config(parameter_validation=False)))
    deployment = model_of("sagemaker").shape_for("DeploymentConfig")
    tried = list(bounds(deployment))
    assert len(tried) > 10
    for path, number in tried:
        value: Any = number
        for name in reversed(path):
            value = {name: value}
        named = "".join(f"[.]{name[0].lower()}{name[1:]}" for name in path)
        with pytest.raises(ClientError, match=f"Value '{number}' at 'deploymentConfig{named}'"):
            sagemaker.update_endpoint(
                EndpointName="any", EndpointConfigName="any", DeploymentConfig=value
            )


def test_an_invocations_limit_is_that_of_the_api() -> None:
    assert model_of("sagemaker-runtime").shape_for("BodyBlob").metadata["max"] == MOST_BYTES


def test_every_instance_type_of_the_api_is_taken(releases: Releases) -> None:
    types, data = (
        model_of("sagemaker").shape_for("ProductionVariantInstanceType").enum,
        releases.artifact(),
    )
    for start in range(0, len(types), 10):  # which a configuration may have
        variants = [
            {"VariantName": f"variant-{number}", "InstanceType": name}
            for number, name in enumerate(types[start : start + 10])
        ]
        name = releases.config(*variants, data=data)
        found = releases.sagemaker.describe_endpoint_config(EndpointConfigName=name)
        kept = [each["InstanceType"] for each in found["ProductionVariants"]]
        assert kept == types[start : start + 10]
