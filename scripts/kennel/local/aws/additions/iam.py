"""IAM for moto: which resource a call is about, where moto would ask for a right on all of them.

With enforcement on (POST 0 to /moto-api/reset-auth), moto checks signatures and policies, but
takes the resource of most calls for "*", which no policy that names an endpoint allows; it takes
the names of operations for those of actions; and where a body is empty, the signature for another.
All services refuse in XML.
"""

from typing import Any
from urllib.parse import unquote

from botocore.awsrequest import AWSRequest
from moto.awslambda.responses import LambdaResponse
from moto.core.exceptions import JsonRESTError
from moto.iam.access_control import IAMRequest, IAMRequestBase
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

from kennel.local.aws.house import House

ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction"}  # where it is not the operation's name
QUERIES = {"autoscaling", "cloudformation", "ec2", "iam", "monitoring", "rds", "sns", "sts"}  # XML
FORM = "application/x-www-form-urlencoded"


def install(house: House) -> None:
    def endpoint(self: Any) -> str:
        name = unquote(self.path.strip("/").split("/")[1])
        return house.arn("sagemaker", f"endpoint/{name}")

    def function(self: Any) -> str:
        steps = self.path.split("?")[0].strip("/").split("/", 2)
        if steps[1] != "functions" or len(steps) < 3:
            return "*"
        name = unquote(steps[2].rsplit("/invocations", 1)[0].split("/")[0])
        name = name.rpartition(":function:")[2]
        qualifier = self.querystring.get("Qualifier", [""])[0]
        return house.arn("lambda", f"function:{name}") + (f":{qualifier}" if qualifier else "")

    runtime: Any = SageMakerRuntimeResponse
    lambda_: Any = LambdaResponse
    runtime._determine_resource, lambda_._determine_resource = endpoint, function
    complete_checks()
    complete_refusals()


class Denied(JsonRESTError):
    code = 403


def complete_checks() -> None:
    as_moto_does = IAMRequestBase._create_aws_request
    permitted = IAMRequestBase.check_action_permitted

    def create_aws_request(self: IAMRequestBase) -> AWSRequest:
        request = as_moto_does(self)
        if not self._body and not self._headers.get("Content-Type", "").startswith(FORM):
            request.data = b""
        return request

    IAMRequestBase._create_aws_request = create_aws_request  # type: ignore[method-assign]

    def check_action_permitted(self: IAMRequestBase, resource: str) -> None:
        self._action = ACTIONS.get(self._action, self._action)
        permitted(self, resource)

    IAMRequestBase.check_action_permitted = check_action_permitted  # type: ignore[method-assign]


def complete_refusals() -> None:
    """In JSON, by the names that JSON services have for them."""
    mismatch = IAMRequest._raise_signature_does_not_match
    invalid = IAMRequest._raise_invalid_access_key
    denied = IAMRequest._raise_access_denied

    def _raise_signature_does_not_match(self: IAMRequest) -> None:
        if self._service in QUERIES:
            mismatch(self)
        raise Denied("InvalidSignatureException", "The request signature does not match")

    def _raise_invalid_access_key(self: IAMRequest, reason: str) -> None:
        if self._service in QUERIES:
            invalid(self, reason)
        raise Denied("UnrecognizedClientException", "The security token is invalid.")

    def _raise_access_denied(self: IAMRequest) -> None:
        if self._service in QUERIES:
            denied(self)
        message = f"User: {self._access_key.arn} is not authorized to perform: {self._action}"
        raise Denied("AccessDeniedException", message)

    for method in (
        _raise_signature_does_not_match,
        _raise_invalid_access_key,
        _raise_access_denied,
    ):
        setattr(IAMRequest, method.__name__, method)
