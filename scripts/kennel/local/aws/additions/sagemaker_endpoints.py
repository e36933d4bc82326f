"""SageMaker endpoints for moto: UpdateEndpoint, states, what the API refuses, InvokeEndpoint.

moto's endpoints are InService at once and answer "body". These start what the model says, answer
through it, and are Creating, Updating, RollingBack, Failed or Deleting meanwhile.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakeEndpoint, FakeEndpointConfig, sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

from kennel.local.aws.alarms import Alarms
from kennel.local.aws.endpoints import Endpoint, Endpoints
from kennel.local.aws.fleet import STARTUP_SECONDS, Fleet, FleetSpec, VariantSpec
from kennel.local.aws.house import House
from kennel.local.aws.invocations import Invocations
from kennel.local.aws.measures import SPELL, Measures
from kennel.local.aws.registered import registered

INSTANCE_TYPE = re.compile(
    r"ml\.[a-z]+[0-9]+[a-z-]*\.([0-9]+x|x)?(nano|micro|small|medium|large|metal)"
)
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
    complete_runtime(Invocations(endpoints))


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

    def validate_instance_type(_: FakeEndpointConfig, instance_type: str) -> None:
        if not INSTANCE_TYPE.fullmatch(instance_type):
            raise ValidationError(
                f"1 validation error detected: Value '{instance_type}' at 'productionVariants.1."
                "member.instanceType' failed to satisfy constraint: Member must satisfy enum "
                "value set"
            )

    def create_endpoint_config(self: SageMakerResponse) -> ActionResult:
        name = self._get_param("EndpointConfigName")
        if name in self.sagemaker_backend.endpoint_configs:
            arn = house.arn("sagemaker", f"endpoint-config/{name}")
            raise ValidationError(f'Cannot create already existing endpoint configuration "{arn}".')
        check_variants(self._get_param("ProductionVariants") or [])
        return create(self)

    def describe_endpoint_config(self: SageMakerResponse) -> ActionResult:
        return ActionResult(present(describe(self).result))

    setattr(FakeEndpointConfig, "validate_instance_type", validate_instance_type)  # noqa: B010
    put(create_endpoint_config, describe_endpoint_config)


def check_variants(variants: list[dict[str, Any]]) -> None:
    names = [each["VariantName"] for each in variants]
    if not 1 <= len(variants) <= 10:
        raise ValidationError("An endpoint configuration has 1 to 10 production variants.")
    if len(set(names)) < len(names):
        raise ValidationError(f"Variant names must be unique: {', '.join(names)}.")
    for each in variants:
        if "ServerlessConfig" not in each and int(each.get("InitialInstanceCount") or 0) < 1:
            raise ValidationError(f"Variant {each['VariantName']} needs InitialInstanceCount.")


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
    def invoke_endpoint(self: SageMakerRuntimeResponse) -> tuple[int, dict[str, Any], bytes]:
        name = self.path.split("/")[2]
        headers = {key.lower(): value for key, value in self.headers.items()}
        status, answered, body = invocations.invoke(name, headers, self.raw_body)
        return status, {**answered, "status": str(status)}, body

    SageMakerRuntimeResponse.use_raw_body = True  # pictures are no UTF-8
    setattr(SageMakerRuntimeResponse, "invoke_endpoint", invoke_endpoint)  # noqa: B010


def put(*methods: Any) -> None:
    for method in methods:
        setattr(SageMakerResponse, method.__name__, method)


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


def spec_of(self: SageMakerResponse, house: House) -> FleetSpec:
    """What a configuration and its models say, as it is now."""
    backend = self.sagemaker_backend
    config = self._get_param("EndpointConfigName")
    if config not in backend.endpoint_configs:
        arn = house.arn("sagemaker", f"endpoint-config/{config}")
        raise ValidationError(f'Could not find endpoint configuration "{arn}".')
    variants = backend.endpoint_configs[config].production_variants
    found = tuple(variant_of(each, backend._models[each["ModelName"]]) for each in variants)
    return FleetSpec(self._get_param("EndpointName"), config, found)


def variant_of(variant: dict[str, Any], model: Any) -> VariantSpec:
    container = model.primary_container or model.containers[0]
    serverless = variant.get("ServerlessConfig") or {}
    weight = variant.get("InitialVariantWeight")
    return VariantSpec(
        name=variant["VariantName"],
        model=variant["ModelName"],
        image=container.get("Image", ""),
        model_data=model_data_of(container),
        count=int(variant.get("InitialInstanceCount") or 1),
        environment=dict(container.get("Environment") or {}),
        instance_type=variant.get("InstanceType") or "ml.c6i.large",
        isolated=bool(model.enable_network_isolation),
        max_concurrency=serverless.get("MaxConcurrency"),
        routing=(variant.get("RoutingConfig") or {}).get("RoutingStrategy", "RANDOM"),
        startup_seconds=float(
            variant.get("ContainerStartupHealthCheckTimeoutInSeconds") or STARTUP_SECONDS
        ),
        weight=1.0 if weight is None else float(weight),
    )


def model_data_of(container: dict[str, Any]) -> str:
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    return str(container.get("ModelDataUrl") or source.get("S3Uri") or "")


def retained(spec: FleetSpec, fleet: Fleet, left_out: set[str]) -> FleetSpec:
    """With the counts and weights that run now, where the variant has stayed."""

    def keep(variant: VariantSpec) -> VariantSpec:
        now = fleet.variants.get(variant.name)
        if now is None:
            return variant
        count = variant.count if "DesiredInstanceCount" in left_out else now.desired
        weight = variant.weight if "DesiredWeight" in left_out else now.weight
        return replace(variant, count=count, weight=weight)

    return replace(spec, variants=tuple(keep(each) for each in spec.variants))


def check_known(endpoint: Endpoint, names: list[str]) -> None:
    unknown = [name for name in names if name not in endpoint.fleet.variants]
    if unknown:
        raise ValidationError(
            f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint '
            f'configuration "{endpoint.fleet.config}".'
        )


def check_scaled(house: House, endpoint: Endpoint, spec: FleetSpec) -> None:
    """A variant that autoscaling holds keeps its name and its instance type."""
    new = {each.name: each.instance_type for each in spec.variants}
    moved = [
        variant.name
        for variant in endpoint.fleet.variants.values()
        if registered(house, endpoint.name, variant.name)
        and new.get(variant.name) != variant.spec.instance_type
    ]
    if moved:
        raise ValidationError(
            f'The variant(s) "{moved}" must be deregistered as scalable targets with AWS '
            "Application Auto Scaling before they can be removed or have their instance type "
            "updated."
        )


def check_deployment(config: dict[str, Any] | None) -> None:
    """The ranges of the API; the alarms that are named must exist when they are looked at."""
    policy = (config or {}).get("BlueGreenUpdatePolicy") or {}
    routing = policy.get("TrafficRoutingConfiguration") or {}
    within("WaitIntervalInSeconds", routing.get("WaitIntervalInSeconds"), 0, 3600)
    within("TerminationWaitInSeconds", policy.get("TerminationWaitInSeconds"), 0, 3600)
    timeout = policy.get("MaximumExecutionTimeoutInSeconds")
    within("MaximumExecutionTimeoutInSeconds", timeout, 600, 28_800)
    kind = routing.get("Type")
    if kind == "CANARY":
        within("CanarySize", (routing.get("CanarySize") or {}).get("Value", 0), 1, 50)
    if kind == "LINEAR":
        within("LinearStepSize", (routing.get("LinearStepSize") or {}).get("Value", 0), 10, 50)


def within(name: str, value: Any, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise ValidationError(
            f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy "
            f"constraint: Member must be between {least} and {most}"
        )


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
