"""Lambda for moto: functions that run, provisioned concurrency, what the provider asks besides.

moto runs functions in containers of images that it would have to pull, forgets concurrency, and has
no provisioned one.
"""

import base64
import json
import os
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from moto.awslambda import urls
from moto.awslambda.exceptions import InvalidParameterValueException, LambdaClientError
from moto.awslambda.models import LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.core.common_types import TYPE_RESPONSE

from kennel.local.aws import roles
from kennel.local.aws.background import Background
from kennel.local.aws.house import House
from kennel.local.aws.lambdas.functions import (
    ACCOUNT_CONCURRENCY,
    LATEST,
    Functions,
    Throttled,
    weights_of,
)
from kennel.local.aws.lambdas.provisioned import Provisioned
from kennel.local.environment import MOST_BYTES

MOST_BYTES_LATER = 1024 * 1024  # of an event that nobody waits for
TAIL = 4096  # bytes of the log that a caller may have with the answer
FUNCTION = r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\w_:%-]+)"


def install(house: House) -> None:
    # moto counts reserved concurrency against the account's only if told how much that is.
    os.environ.setdefault("MOTO_LAMBDA_CONCURRENCY_QUOTA", str(ACCOUNT_CONCURRENCY))
    background = house.share(Background())
    functions = house.share(Functions(house, background))
    house.on_restart(lambda: background.run(functions.refresh()))
    house.on_close(background.close)
    house.on_close(lambda: background.run(functions.close()))
    for path in ("provisioned-concurrency", "runtime-management-config", "recursion-config"):
        urls.url_paths[f"{FUNCTION}/{path}$"] = LambdaResponse.dispatch
    urls.url_paths[r"{0}/(?P<api_version>[^/]+)/account-settings/?$"] = LambdaResponse.dispatch
    complete_invocation(functions)
    complete_provisioned_concurrency(functions)
    complete_life(house, functions)
    complete_settings()


def put(*methods: Any, target: type = LambdaResponse) -> None:
    for method in methods:
        setattr(target, method.__name__, method)


class NotFound(LambdaClientError):
    code = 404


def answer(status: int, document: Any = None, **headers: str) -> TYPE_RESPONSE:
    """A response with its status where moto looks for it."""
    body = "" if document is None else json.dumps(document)
    return status, {"status": str(status), **headers}, body


def named(response: LambdaResponse, place: int) -> tuple[str, str]:
    """Function name and qualifier, which the path (name, name:alias, ARN) and the query say."""
    text = unquote(response.path.split("?")[0].strip("/").split("/", 2)[2].rsplit("/", place)[0])
    name = text.rpartition(":function:")[2]
    name, _, qualifier = name.partition(":")
    return name, qualifier or response._get_param("Qualifier") or LATEST


def complete_invocation(functions: Functions) -> None:
    def invoke(self: LambdaResponse) -> TYPE_RESPONSE:
        name, qualifier = named(self, 1)
        kind = self.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        body = self.body if isinstance(self.body, bytes) else self.body.encode()
        check_event(body, MOST_BYTES if kind == "RequestResponse" else MOST_BYTES_LATER)
        request_id = str(uuid.uuid4())
        common = {"x-amzn-RequestId": request_id}
        function = self.backend.get_function(name, qualifier)
        check_runtime(function)
        if kind == "DryRun":
            return answer(204, **common)
        if kind == "Event":
            later = functions.invoke_later(name, qualifier, body or b"{}", request_id)
            functions.background.run(later)
            return answer(202, **common)
        try:
            outcome = functions.background.run(
                functions.invoke(name, qualifier, body or b"{}", request_id)
            )
        except Throttled as throttled:
            document = {"Reason": str(throttled), "Type": "User", "message": "Rate Exceeded."}
            told = {"x-amzn-ErrorType": "TooManyRequestsException", "Retry-After": "1"}
            return answer(429, document, **common, **told)
        headers = {**common, "X-Amz-Executed-Version": outcome.version}
        if outcome.failed:
            headers["X-Amz-Function-Error"] = "Unhandled"  # so it is for all that Python raises
        if self.headers.get("X-Amz-Log-Type") == "Tail":
            tail = outcome.log.encode()[-TAIL:]
            headers["X-Amz-Log-Result"] = base64.b64encode(tail).decode()
        headers |= {"status": "200", "Content-Type": "application/json"}
        return 200, headers, outcome.body

    put(invoke)


def check_event(body: bytes, limit: int) -> None:
    if len(body) > limit:
        error = LambdaClientError(
            "RequestTooLargeException",
            f"Request must be smaller than {limit} bytes for the InvokeFunction operation",
        )
        error.code = 413
        raise error
    try:
        json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise LambdaClientError(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}"
        ) from None


def check_runtime(function: LambdaFunction) -> None:
    if not str(function.run_time).startswith("python"):
        raise LambdaClientError(
            "InvalidRuntimeException", f"Only Python runs here, not {function.run_time}."
        )


def complete_provisioned_concurrency(functions: Functions) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html"""
    run = functions.background.run

    def found(self: LambdaResponse) -> tuple[str, str, Provisioned]:
        name, qualifier = named(self, 1)
        self.backend.get_function(name, qualifier)
        if provisioned := functions.provisioned(name).get(qualifier):
            return name, qualifier, provisioned
        raise NotFound(
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
        )

    def put_provisioned_concurrency_config(self: LambdaResponse) -> TYPE_RESPONSE:
        name, qualifier = named(self, 1)
        count = int(self.json_body["ProvisionedConcurrentExecutions"])
        check_provisioned(self, functions, name, qualifier, count)
        return answer(202, described(run(functions.provision(name, qualifier, count))))

    def get_provisioned_concurrency_config(self: LambdaResponse) -> TYPE_RESPONSE:
        return answer(200, described(found(self)[2]))

    def delete_provisioned_concurrency_config(self: LambdaResponse) -> TYPE_RESPONSE:
        name, qualifier, _ = found(self)
        run(functions.unprovision(name, qualifier))
        return answer(204)

    def list_provisioned_concurrency_configs(self: LambdaResponse) -> TYPE_RESPONSE:
        name, _ = named(self, 1)
        arn = self.backend.get_function(name).function_arn
        configs = [
            {"FunctionArn": f"{arn}:{qualifier}", **described(each)}
            for qualifier, each in functions.provisioned(name).items()
        ]
        return answer(200, {"ProvisionedConcurrencyConfigs": configs})

    put(
        put_provisioned_concurrency_config,
        get_provisioned_concurrency_config,
        delete_provisioned_concurrency_config,
        list_provisioned_concurrency_configs,
    )


def check_provisioned(
    response: LambdaResponse, functions: Functions, name: str, qualifier: str, count: int
) -> None:
    response.backend.get_function(name, qualifier)
    if qualifier == LATEST:
        raise InvalidParameterValueException(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        )
    aliases = {each.name: each for each in response.backend.list_aliases(name)}
    if qualifier in aliases and weights_of(aliases[qualifier].routing_config):
        raise InvalidParameterValueException(
            f"Alias with weights can not be used with Provisioned Concurrency: {qualifier}"
        )
    reserved = response.backend.get_function(name).reserved_concurrency
    others = sum(
        each.requested for other, each in functions.provisioned(name).items() if other != qualifier
    )
    if reserved is not None and count + others > int(reserved):
        raise InvalidParameterValueException(
            "Requested Provisioned Concurrency should not be greater than the"
            " reservedConcurrentExecution for function"
        )


def described(provisioned: Provisioned) -> dict[str, Any]:
    changed = datetime.fromtimestamp(provisioned.changed, UTC)
    reason = {"StatusReason": provisioned.reason} if provisioned.reason else {}
    return {
        "RequestedProvisionedConcurrentExecutions": provisioned.requested,
        "AllocatedProvisionedConcurrentExecutions": provisioned.available,
        "AvailableProvisionedConcurrentExecutions": provisioned.available,
        "Status": provisioned.status,
        "LastModified": changed.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        **reason,
    }


def complete_life(house: House, functions: Functions) -> None:
    """Processes follow what happens to their function; what could never run is refused."""
    run = functions.background.run
    create, remove = LambdaResponse.create_function, LambdaResponse.delete_function
    change = LambdaResponse.update_alias

    def create_function(self: LambdaResponse) -> TYPE_RESPONSE:
        if not roles.trusts(house, self.json_body["Role"], "lambda.amazonaws.com"):
            raise InvalidParameterValueException(
                "The role defined for the function cannot be assumed by Lambda."
            )
        return create(self)

    def delete_function(self: LambdaResponse) -> TYPE_RESPONSE:
        answered = remove(self)
        name, qualifier = named(self, 0)
        if qualifier == LATEST:
            run(functions.forget(name))
        return answered

    def update_alias(self: LambdaResponse) -> TYPE_RESPONSE:
        name = unquote(self.path.rsplit("/", 3)[1]).rpartition(":")[2]
        answered = change(self)
        run(functions.refresh(name))
        return answered

    put(create_function, delete_function, update_alias)


def complete_settings() -> None:
    """What moto's UpdateFunctionConfiguration leaves as it was, and settings that it lacks."""
    update = LambdaFunction.update_configuration

    def update_configuration(self: LambdaFunction, changes: dict[str, Any]) -> dict[str, Any]:
        self.kms_key_arn = changes.get("KMSKeyArn", self.kms_key_arn)
        self.tracing_config = changes.get("TracingConfig", self.tracing_config)
        if "EphemeralStorage" in changes:
            self.ephemeral_storage = changes["EphemeralStorage"]["Size"]
        return update(self, changes)

    def get_runtime_management_config(self: LambdaResponse) -> TYPE_RESPONSE:
        function = self.backend.get_function(*named(self, 1))
        kept = getattr(function, "runtime_management", {"UpdateRuntimeOn": "Auto"})
        return answer(200, {**kept, "FunctionArn": function.function_arn})

    def put_runtime_management_config(self: LambdaResponse) -> TYPE_RESPONSE:
        function: Any = self.backend.get_function(*named(self, 1))
        function.runtime_management = self.json_body
        return get_runtime_management_config(self)

    def get_function_recursion_config(self: LambdaResponse) -> TYPE_RESPONSE:
        self.backend.get_function(named(self, 1)[0])
        return answer(200, {"RecursiveLoop": "Terminate"})

    def get_account_settings(self: LambdaResponse) -> TYPE_RESPONSE:
        functions = list(self.backend.list_functions())
        reserved = sum(int(each.reserved_concurrency or 0) for each in functions)
        return answer(200, account(len(functions), sum(e.code_size for e in functions), reserved))

    put(update_configuration, target=LambdaFunction)
    put(
        get_runtime_management_config,
        put_runtime_management_config,
        get_function_recursion_config,
        get_account_settings,
    )


def account(count: int, size: int, reserved: int) -> dict[str, Any]:
    return {
        "AccountLimit": {
            "TotalCodeSize": 75 * 2**30,
            "CodeSizeUnzipped": 250 * 2**20,
            "CodeSizeZipped": 50 * 2**20,
            "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
            "UnreservedConcurrentExecutions": ACCOUNT_CONCURRENCY - reserved,
        },
        "AccountUsage": {"TotalCodeSize": size, "FunctionCount": count},
    }
