"""What stands behind an operation of a deployed API: a function, or an answer made up (mock)."""

import asyncio
import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from moto.apigateway.exceptions import BadRequestException
from moto.apigateway.models import Integration
from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaFunction, lambda_backends
from starlette.responses import Response

from kennel.local.aws.apis.refusing import parameter
from kennel.local.aws.house import House
from kennel.local.aws.lambdas.functions import LATEST, Functions, Throttled
from kennel.local.aws.roles import listed
from kennel.local.description import Operation
from kennel.local.function import TookTooLong, event_in_bytes, result_of
from kennel.local.proxy import Form
from kennel.local.refusals import Refused
from kennel.local.stage import SECONDS, Integrate, proxied
from kennel.local.visit import Visit

FUNCTION = re.compile(
    r".*:lambda:path/[^/]+/functions/.*:function:([\w-]+)(?::([\w$-]+))?/invocations"
)
CALLS: set[asyncio.Future[Any]] = set()  # under way, even if nobody waits any more
LEAST_MILLIS, MOST_MILLIS = 50, int(SECONDS * 1000)
MOCK_HEADER = "method.response.header."


def integrate(house: House, integration: Integration | None, source: str, form: Form) -> Integrate:
    """How requests are answered; `source` is the ARN of the operation, which calls the function."""
    kind = integration.integration_type.upper() if integration else ""
    if integration and kind == "MOCK":
        return mock(integration)
    found = FUNCTION.fullmatch(stage_variables_in(integration.uri, form)) if integration else None
    if integration and kind == "AWS_PROXY" and found:
        seconds = float(integration.timeout_in_millis or SECONDS * 1000) / 1000
        return proxied(Uploaded(house, found[1], found[2] or LATEST, source, seconds), form)

    async def refuse(*_: Any) -> Response:
        raise Refused("API_CONFIGURATION_ERROR", f"integrations of type {kind} are not served here")

    return refuse


def check_timeout(millis: Any) -> None:
    """A timeout as it was asked for: in a document, in a call, or as the text of a patch."""
    if millis is not None and not LEAST_MILLIS <= int(millis) <= MOST_MILLIS:
        raise BadRequestException(
            f"Timeout should be between {LEAST_MILLIS} ms and {MOST_MILLIS} ms"
        )


def stage_variables_in(uri: str, form: Form) -> str:
    return re.sub(r"\$\{stageVariables\.(\w+)\}", lambda m: form.variables.get(m[1], ""), uri)


class Uploaded:
    """A function in emulated Lambda, as API Gateway calls it."""

    def __init__(
        self, house: House, name: str, qualifier: str, source: str, seconds: float
    ) -> None:
        self._house = house
        self._name = name
        self._qualifier = qualifier
        self._source = source
        self._seconds = seconds

    async def invoke(self, event: Mapping[str, Any], request_id: str) -> Any:
        self._check_permission()
        functions = self._house.the(Functions)
        call = asyncio.ensure_future(
            functions.invoke(self._name, self._qualifier, event_in_bytes(event), request_id)
        )
        CALLS.add(call)
        call.add_done_callback(CALLS.discard)
        try:
            # The gateway hangs up; the function goes on until its own time is over.
            outcome = await asyncio.wait_for(asyncio.shield(call), self._seconds)
        except TimeoutError:
            raise TookTooLong(f"no answer within {self._seconds:g} seconds") from None
        except Throttled as throttled:
            message = f"Lambda invocation failed with status 429: {throttled}"
            # Unlike a failure while it runs, 500 where the API itself sets nothing for the kind.
            raise Refused("INTEGRATION_FAILURE", message, status=500) from None
        return result_of(outcome.body, failed=outcome.failed)

    def _check_permission(self) -> None:
        backend = lambda_backends[self._house.account][self._house.region]
        try:
            function = backend.get_function(self._name, self._qualifier)
        except LambdaClientError as error:
            raise Refused(
                "API_CONFIGURATION_ERROR", f"there is no such function: {error}"
            ) from error
        if not permits(function, self._qualifier, self._source):
            raise Refused("API_CONFIGURATION_ERROR", "Invalid permissions on Lambda function")


def permits(function: LambdaFunction, qualifier: str, source: str) -> bool:
    """Whether the function's policy lets API Gateway call it for this operation."""
    arn = function.function_arn.removesuffix(f":{function.version}")
    wanted = arn if qualifier == LATEST else f"{arn}:{qualifier}"
    return any(
        statement["Effect"] == "Allow"
        and "apigateway.amazonaws.com" in listed(statement["Principal"].get("Service"))
        and statement["Action"] in ("lambda:InvokeFunction", "lambda:*")
        and statement["Resource"] == wanted
        and fnmatchcase(source, expected_source(statement))
        for statement in function.policy.statements
    )


def expected_source(statement: Mapping[str, Any]) -> str:
    conditions = statement.get("Condition", {}).get("ArnLike", {})
    return str(conditions.get("AWS:SourceArn", "*"))


def mock(integration: Integration) -> Integrate:
    """The integration response for the status in the request template, or the general one."""

    async def answer(visit: Visit, _: Operation, __: Mapping[str, str], ___: bytes) -> Response:
        template = (integration.request_templates or {}).get("application/json", "")
        try:
            status = str(json.loads(visit.rendered(template))["statusCode"])
        except (ValueError, KeyError, TypeError):
            raise Refused(
                "API_CONFIGURATION_ERROR", "the mock's request template names no statusCode"
            ) from None
        for response in (integration.integration_responses or {}).values():
            pattern = response.selection_pattern
            if not pattern or re.fullmatch(pattern, status):
                content = (response.response_templates or {}).get("application/json") or ""
                headers = {
                    name.removeprefix(MOCK_HEADER): parameter(value, visit)
                    for name, value in (response.response_parameters or {}).items()
                }
                told = {"Content-Type": "application/json"} | headers
                return Response(visit.rendered(content), int(response.status_code), told)
        raise Refused("API_CONFIGURATION_ERROR", f"no integration response matches {status}")

    return answer
