"""SageMaker's control plane on loopback, so far as a release meets it.

moto has all the services but not UpdateEndpoint; its endpoints are there at once and never fail.
What AWS does is added here: an endpoint is Creating or Updating for a while, and serves its old
configuration meanwhile, which cannot be deleted; another instance type is refused while autoscaling
holds the variant; the count is reset to the configuration's; a failed deployment ends in service on
the old configuration; network interfaces outlive the endpoint, and hold its security group.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from moto.applicationautoscaling import applicationautoscaling_backends
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.responses import ActionResult
from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.responses.security_groups import SecurityGroups
from moto.iam.models import iam_backends
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse
from moto.server import ThreadedMotoServer

from kennel.local.aws.additions import ec2

ACCOUNT, REGION = "123456789012", "eu-west-1"


@dataclass
class Aws:
    """The fake as tests see it."""

    url: str
    rolls_back: Literal["", "seen", "unseen"] = ""  # by who looks at it now and then
    calls: list[str] = field(default_factory=list)
    deployment: dict[str, Any] = field(default_factory=dict)
    statuses: list[str] = field(default_factory=list)  # that were answered
    _ahead: list[str] = field(default_factory=list)  # that are to be answered
    _end: Callable[[], None] = lambda: None
    refused: int = 0  # deletions of a security group that an interface still held

    @property
    def sagemaker(self) -> SageMakerModelBackend:
        from moto.sagemaker.models import sagemaker_backends

        return sagemaker_backends[ACCOUNT][REGION]

    def kept(self) -> dict[str, int]:
        """How much there is of what each release has for itself."""
        found = {"configurations": len(self.sagemaker.endpoint_configs)}
        found["models"] = len(self.sagemaker._models)
        return found | {"roles": len(iam_backends[ACCOUNT]["aws"].roles)}

    def scale(self, endpoint: str, count: int) -> None:
        """What autoscaling does in a busy hour."""
        [variant] = self.sagemaker.endpoints[endpoint].production_variants
        variant["DesiredInstanceCount"] = variant["CurrentInstanceCount"] = count

    def create(self) -> None:
        self._ahead = ["Creating", "Creating"]

    def update(self, name: str, new: str) -> None:
        endpoint = self.sagemaker.endpoints[name]
        variants = self.sagemaker.describe_endpoint_config(new)["ProductionVariants"]
        [old] = self.sagemaker.describe_endpoint_config(endpoint.endpoint_config_name)[
            "ProductionVariants"
        ]
        targets = applicationautoscaling_backends[ACCOUNT][REGION].targets
        registered = any(targets.values())
        if registered and variants[0]["InstanceType"] != old["InstanceType"]:
            raise ValidationError(message="The variant is registered with autoscaling")

        def switch() -> None:
            endpoint.endpoint_config_name = new
            endpoint.production_variants = endpoint._process_production_variants(variants)

        self._ahead = ["Updating", "Updating", *(["RollingBack"] * (self.rolls_back == "seen"))]
        self._end = (lambda: None) if self.rolls_back else switch

    def status(self) -> str:
        """The next one: an endpoint is looked at again and again until it is in service."""
        said = self._ahead.pop(0) if self._ahead else "InService"
        if said == "InService":
            self._end()
            self._end = lambda: None
        self.statuses.append(said)
        return said

    def refuse_if_used(self, configuration: str) -> None:
        used = [each.endpoint_config_name for each in self.sagemaker.endpoints.values()]
        if self._ahead or configuration in used:
            raise ValidationError(message=f"{configuration} is in use by an endpoint")

    def refuse_if_held(self, group: str) -> None:
        if self.refused < 2:
            self.refused += 1
            raise DependencyViolationError(f"{group} has a dependent object")


@contextmanager
def serve() -> Iterator[Aws]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    aws = Aws(f"http://{host}:{port}")
    ec2.install(None)
    undo = [*complete(aws), *record(aws)]
    try:
        yield aws
    finally:
        for kind, name, method in reversed(undo):
            setattr(kind, name, method) if method else delattr(kind, name)
        server.stop()


Patch = tuple[type, str, Any]


def present(answer: dict[str, Any]) -> dict[str, Any]:
    """AWS leaves out what was not given; moto answers with empty values."""
    return {name: value for name, value in answer.items() if value not in (None, {}, [])}


def complete(aws: Aws) -> Iterator[Patch]:
    """Add what moto lacks."""

    create_endpoint_as_moto_does = SageMakerResponse.create_endpoint
    describe_endpoint_as_moto_does = SageMakerResponse.describe_endpoint

    def create_endpoint(self: SageMakerResponse) -> ActionResult:
        aws.deployment[self._get_param("EndpointName")] = self._get_param("DeploymentConfig")
        aws.create()
        return create_endpoint_as_moto_does(self)

    def describe_endpoint(self: SageMakerResponse) -> ActionResult:
        if self._get_param("EndpointName") not in aws.sagemaker.endpoints:
            return describe_endpoint_as_moto_does(self)
        status = aws.status()  # first, as it may be the one that ends an update
        answer = describe_endpoint_as_moto_does(self).result | {"EndpointStatus": status}
        deployment = aws.deployment[self._get_param("EndpointName")]
        return ActionResult(present({**answer, "LastDeploymentConfig": deployment}))

    def update_endpoint(self: SageMakerResponse) -> ActionResult:
        name = self._get_param("EndpointName")
        aws.update(name, self._get_param("EndpointConfigName"))
        aws.deployment[name] = self._get_param("DeploymentConfig")
        return ActionResult({"EndpointArn": aws.sagemaker.endpoints[name].arn})

    describe_config_as_moto_does = SageMakerResponse.describe_endpoint_config

    def describe_endpoint_config(self: SageMakerResponse) -> ActionResult:
        return ActionResult(present(describe_config_as_moto_does(self).result))

    delete_config_as_moto_does = SageMakerResponse.delete_endpoint_config

    def delete_endpoint_config(self: SageMakerResponse) -> ActionResult:
        aws.refuse_if_used(self._get_param("EndpointConfigName"))
        return delete_config_as_moto_does(self)

    delete_group_as_moto_does = SecurityGroups.delete_security_group

    def delete_security_group(self: SecurityGroups) -> ActionResult:
        aws.refuse_if_held(self._get_param("GroupId"))
        return delete_group_as_moto_does(self)

    create = SageMakerResponse.create_model

    def create_model(self: SageMakerResponse) -> ActionResult:
        answer = create(self)
        model = aws.sagemaker.describe_model(self._get_param("ModelName"))
        model.enable_network_isolation = self._get_param("EnableNetworkIsolation")
        model.vpc_config = self._get_param("VpcConfig")
        return answer

    def list_tags_for_resource(_: ApplicationAutoScalingResponse) -> str:
        return '{"Tags": {}}'

    for kind, method in (
        (SageMakerResponse, create_endpoint),
        (SageMakerResponse, create_model),
        (SageMakerResponse, delete_endpoint_config),
        (SageMakerResponse, describe_endpoint),
        (SageMakerResponse, describe_endpoint_config),
        (SageMakerResponse, update_endpoint),
        (SecurityGroups, delete_security_group),
        (ApplicationAutoScalingResponse, list_tags_for_resource),
    ):
        yield kind, method.__name__, vars(kind).get(method.__name__)
        setattr(kind, method.__name__, method)


RECORDED = {
    SageMakerResponse: ["create_endpoint_config", "update_endpoint", "delete_endpoint_config"],
    ApplicationAutoScalingResponse: ["register_scalable_target", "deregister_scalable_target"],
}


def record(aws: Aws) -> Iterator[Patch]:
    """Note the calls whose order a release depends on."""

    def noting(name: str, method: Any) -> Any:
        def noted(self: Any) -> Any:
            aws.calls.append(name)
            return method(self)

        return noted

    for kind, names in RECORDED.items():
        for name in names:
            yield kind, name, getattr(kind, name)
            setattr(kind, name, noting(name, getattr(kind, name)))
