"""What calls about endpoints ask for, put together and checked as SageMaker checks it."""

from dataclasses import replace
from typing import Any

from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse

from kennel.local.aws.house import House
from kennel.local.aws.serving import lacking
from kennel.local.aws.serving.capture import Capture
from kennel.local.aws.serving.endpoints import Endpoint
from kennel.local.aws.serving.fleet import Fleet
from kennel.local.aws.serving.registered import registered
from kennel.local.aws.serving.specs import STARTUP_SECONDS, FleetSpec, VariantSpec


def spec_of(self: SageMakerResponse, house: House) -> FleetSpec:
    """What a configuration and its models say, as it is now."""
    backend = self.sagemaker_backend
    config = self._get_param("EndpointConfigName")
    if config not in backend.endpoint_configs:
        arn = house.arn("sagemaker", f"endpoint-config/{config}")
        raise ValidationError(f'Could not find endpoint configuration "{arn}".')
    kept = backend.endpoint_configs[config]
    models = [backend._models[each["ModelName"]] for each in kept.production_variants]
    found = tuple(map(variant_of, kept.production_variants, models))
    capture = Capture.of(kept.data_capture_config, models[0].execution_role_arn)
    return FleetSpec(self._get_param("EndpointName"), config, found, capture)


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
        role=model.execution_role_arn,
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
    """What the API's model leaves open; alarms that are named are looked for when they matter."""
    lacking.check_deployment(config or {})
    policy = (config or {}).get("BlueGreenUpdatePolicy") or {}
    routing = policy.get("TrafficRoutingConfiguration") or {}
    kind = routing.get("Type")
    if kind == "CANARY":
        within("CanarySize", (routing.get("CanarySize") or {}).get("Value", 0), 1, 50)
    if kind == "LINEAR":
        within("LinearStepSize", (routing.get("LinearStepSize") or {}).get("Value", 0), 10, 50)


def within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValidationError(
            f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy "
            f"constraint: Member must be between {least} and {most}"
        )


def check_variants(variants: list[dict[str, Any]]) -> None:
    names = [each["VariantName"] for each in variants]
    if len(set(names)) < len(names):
        raise ValidationError(f"Variant names must be unique: {', '.join(names)}.")
    for each in variants:
        if "ServerlessConfig" not in each and "InitialInstanceCount" not in each:
            raise ValidationError(f"Variant {each['VariantName']} needs InitialInstanceCount.")
