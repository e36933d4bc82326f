"""SageMaker endpoints for moto: UpdateEndpoint, states, what the API refuses, InvokeEndpoint.

moto's endpoints are InService at once and answer "body". These start what the model says, answer
through it, and are Creating, Updating, RollingBack, Failed or Deleting meanwhile.
"""

import json
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakeEndpoint, FakeEndpointConfig, sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemaker.urls import url_paths
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

from kennel.local.aws import shapes
from kennel.local.aws.house import House
from kennel.local.aws.serving import lacking
from kennel.local.aws.serving.alarms import Alarms
from kennel.local.aws.serving.asked import (
    check_deployment,
    check_known,
    check_scaled,
    check_variants,
    retained,
    spec_of,
)
from kennel.local.aws.serving.capture import WRITE_SECONDS, Captures
from kennel.local.aws.serving.endpoints import Endpoint, Endpoints
from kennel.local.aws.serving.fleet import Fleet
from kennel.local.aws.serving.invocations import Invocations
from kennel.local.aws.serving.measures import SPELL, Measures

STREAM = "{0}/endpoints/(?P<name>[^/]+)/invocations-response-stream$"
OURS = ("CreateEndpoint", "UpdateEndpoint", "DeleteEndpoint", "UpdateEndpointWeightsAndCapacities")


def install(house: House) -> None:
    measures = house.share(Measures(house.clock))
    alarms = house.share(Alarms(house, measures))
    endpoints = house.share(Endpoints(house, measures, alarms))
    house.journal.leave_out(*OURS)
    house.every(SPELL, endpoints.measure)
    house.every(SPELL, alarms.judge)
    house.every(2 * house.clock.speed, endpoints.watch)
    complete_models()
    complete_tags(endpoints)
    complete_configurations(house)
    complete_endpoints(house, endpoints)
    captures = Captures(house)
    house.every(WRITE_SECONDS, captures.write)
    complete_runtime(Invocations(endpoints, captures))


def present(answer: Any) -> dict[str, Any]:
    """AWS leaves out what was not given; moto answers with empty values."""
    return {name: value for name, value in answer.items() if value not in (None, {}, [], "")}


def complete_models() -> None:
    """Network isolation and VPC, which moto forgets."""
    create, describe = SageMakerResponse.create_model, SageMakerResponse.describe_model

    def create_model(self: SageMakerResponse) -> ActionResult:
        name = self._get_param("ModelName")
        if name in self.sagemaker_backend._models:
            arn = self.sagemaker_backend._models[name].arn
            raise ValidationError(f'Cannot create already existing model "{arn}".')
        lacking.check_model(json.loads(self.body))
        answer = create(self)
        model = self.sagemaker_backend._models[name]
        model.enable_network_isolation = bool(self._get_param("EnableNetworkIsolation"))
        model.vpc_config = self._get_param("VpcConfig")
        return answer

    def describe_model(self: SageMakerResponse) -> ActionResult:
        return ActionResult(present(describe(self).result))

    put(create_model, describe_model)


def complete_tags(endpoints: Endpoints) -> None:
    """Tags replace their like; an endpoint keeps its own."""

    def change(self: SageMakerResponse, gone: set[str], new: list[dict[str, str]]) -> ActionResult:
        arn = str(self._get_param("ResourceArn"))
        resource = self.sagemaker_backend._get_resource_from_arn(arn)
        if resource is None:  # an endpoint, which comes back after the journal was repeated
            return ActionResult({"Tags": []})
        resource.tags = [each for each in resource.tags if each["Key"] not in gone] + new
        if ":endpoint/" in arn:
            endpoints.tag(arn.rpartition("/")[2], resource.tags)
        return ActionResult({"Tags": resource.tags})

    def add_tags(self: SageMakerResponse) -> ActionResult:
        new = list(self._get_param("Tags"))
        return change(self, {each["Key"] for each in new}, new)

    def delete_tags(self: SageMakerResponse) -> ActionResult:
        change(self, set(self._get_param("TagKeys")), [])
        return EmptyResult()

    put(add_tags, delete_tags)


def complete_configurations(house: House) -> None:
    create = SageMakerResponse.create_endpoint_config
    describe = SageMakerResponse.describe_endpoint_config

    def create_endpoint_config(self: SageMakerResponse) -> ActionResult:
        name = self._get_param("EndpointConfigName")
        if name in self.sagemaker_backend.endpoint_configs:
            arn = house.arn("sagemaker", f"endpoint-config/{name}")
            raise ValidationError(f'Cannot create already existing endpoint configuration "{arn}".')
        lacking.check_configuration(json.loads(self.body))
        check_variants(self._get_param("ProductionVariants") or [])
        return create(self)

    def describe_endpoint_config(self: SageMakerResponse) -> ActionResult:
        return ActionResult(present(describe(self).result))

    # botocore's model knows more instance types, and is asked for each request.
    setattr(FakeEndpointConfig, "validate_instance_type", lambda *_: None)  # noqa: B010
    put(create_endpoint_config, describe_endpoint_config)


def complete_endpoints(house: House, endpoints: Endpoints) -> None:
    """The endpoint's operations; moto keeps a record of each for ListEndpoints and tags."""

    def create_endpoint(self: SageMakerResponse) -> ActionResult:
        spec = spec_of(self, house)
        deployment = self._get_param("DeploymentConfig")
        check_deployment(deployment)
        tags = self._get_param("Tags") or []
        endpoints.create(spec, deployment, tags)
        record(house, endpoints.get(spec.endpoint))
        return ActionResult({"EndpointArn": endpoints.arn(spec.endpoint)})

    def update_endpoint(self: SageMakerResponse) -> ActionResult:
        spec = spec_of(self, house)
        endpoint = endpoints.get(spec.endpoint)
        check_scaled(house, endpoint, spec)
        if self._get_param("RetainAllVariantProperties"):
            left_out = self._get_param("ExcludeRetainedVariantProperties") or []
            kept = {each["VariantPropertyType"] for each in left_out}
            spec = retained(spec, endpoint.fleet, kept)
        deployment = self._get_param("DeploymentConfig")
        if self._get_param("RetainDeploymentConfig"):
            deployment = endpoint.deployment
        check_deployment(deployment)
        endpoints.update(spec, deployment)
        return ActionResult({"EndpointArn": endpoints.arn(spec.endpoint)})

    def update_endpoint_weights_and_capacities(self: SageMakerResponse) -> ActionResult:
        name = self._get_param("EndpointName")
        wanted = self._get_param("DesiredWeightsAndCapacities") or []
        check_known(endpoints.get(name), [each["VariantName"] for each in wanted])
        endpoints.scale(
            name,
            {
                e["VariantName"]: e["DesiredInstanceCount"]
                for e in wanted
                if e.get("DesiredInstanceCount")
            },
            {
                e["VariantName"]: e["DesiredWeight"]
                for e in wanted
                if e.get("DesiredWeight") is not None
            },
        )
        return ActionResult({"EndpointArn": endpoints.arn(name)})

    def describe_endpoint(self: SageMakerResponse) -> ActionResult:
        endpoint = endpoints.get(self._get_param("EndpointName"))
        return ActionResult(present(described(endpoint, endpoints)))

    def delete_endpoint(self: SageMakerResponse) -> ActionResult:
        endpoints.delete(self._get_param("EndpointName"))
        return EmptyResult()

    listed = SageMakerResponse.list_endpoints

    def list_endpoints(self: SageMakerResponse) -> ActionResult:
        backend = sagemaker_backends[house.account][house.region]
        for endpoint in endpoints:
            if kept := backend.endpoints.get(endpoint.name):
                kept.endpoint_status = endpoint.status
        return listed(self)

    def forget(name: str) -> None:
        sagemaker_backends[house.account][house.region].endpoints.pop(name, None)

    def restore() -> None:
        for endpoint in endpoints:
            record(house, endpoint)

    endpoints.on_deleted.append(forget)
    house.on_restart(restore)
    put(create_endpoint, update_endpoint, update_endpoint_weights_and_capacities)
    put(describe_endpoint, delete_endpoint, list_endpoints)


def complete_runtime(invocations: Invocations) -> None:
    def invoke_endpoint_async(_: SageMakerRuntimeResponse) -> None:
        lacking.refuse(["asynchronous endpoints"])

    def invoke_endpoint_with_response_stream(_: SageMakerRuntimeResponse) -> None:
        lacking.refuse(["streamed answers"])

    def invoke_endpoint(self: SageMakerRuntimeResponse) -> tuple[int, dict[str, Any], bytes]:
        name = self.path.split("/")[2]
        headers = {key.lower(): value for key, value in self.headers.items()}
        status, answered, body = invocations.invoke(name, headers, self.raw_body)
        return status, {**answered, "status": str(status)}, body

    SageMakerRuntimeResponse.use_raw_body = True  # pictures are no UTF-8
    for method in (invoke_endpoint, invoke_endpoint_async, invoke_endpoint_with_response_stream):
        setattr(SageMakerRuntimeResponse, method.__name__, method)
    url_paths[STREAM] = SageMakerRuntimeResponse.dispatch  # to which moto leads it


def put(*methods: Any) -> None:
    for method in methods:
        setattr(SageMakerResponse, method.__name__, checked(method))


def checked(method: Any) -> Any:
    """An operation that asks the API's model first whether its request is one."""
    operation = "".join(map(str.capitalize, method.__name__.split("_")))

    def call(self: SageMakerResponse) -> ActionResult:
        shapes.check("sagemaker", operation, json.loads(self.body or "{}"))
        answer: ActionResult = method(self)
        return answer

    return call


def record(house: House, endpoint: Endpoint) -> None:
    backend = sagemaker_backends[house.account][house.region]
    kept = FakeEndpoint(  # type: ignore[abstract]
        house.account, house.region, endpoint.name, endpoint.fleet.config, [], {}, endpoint.tags
    )
    kept.endpoint_status = endpoint.status
    kept.creation_time = kept.last_modified_time = moment(endpoint.created)
    endpoint.tags = kept.tags
    backend.endpoints[endpoint.name] = kept


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def described(endpoint: Endpoint, endpoints: Endpoints) -> dict[str, Any]:
    answer = {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoints.arn(endpoint.name),
        "EndpointConfigName": endpoint.fleet.config,
        "EndpointStatus": endpoint.status,
        "FailureReason": endpoint.reason,
        "CreationTime": moment(endpoint.created),
        "LastModifiedTime": moment(endpoint.modified),
        "LastDeploymentConfig": endpoint.deployment,
        "ProductionVariants": variants_of(endpoint.fleet),
    }
    if endpoint.next:
        answer["PendingDeploymentSummary"] = {
            "EndpointConfigName": endpoint.next.config,
            "ProductionVariants": variants_of(endpoint.next),
            "StartTime": moment(endpoint.modified),
        }
    return answer


def variants_of(fleet: Fleet) -> list[dict[str, Any]]:
    return [
        present(
            {
                "VariantName": variant.name,
                "DeployedImages": [{"SpecifiedImage": variant.spec.image}],
                "CurrentWeight": variant.weight,
                "DesiredWeight": variant.weight,
                "CurrentInstanceCount": variant.current,
                "DesiredInstanceCount": variant.desired,
            }
        )
        for variant in fleet.variants.values()
    ]
