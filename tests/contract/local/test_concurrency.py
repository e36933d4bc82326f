"""Lambda emulated: how many run at once, and which wait for calls."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
from botocore.exceptions import ClientError

from tests.contract.local.lambdas import Make, refusal, result


def test_beyond_the_reserved_concurrency_calls_are_throttled(lambda_: Any, make: Make) -> None:
    name = make("slow")
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)

    def call(_: int) -> Any:
        try:
            return result(lambda_.invoke(FunctionName=name, Payload=b'{"seconds": 1}'))
        except ClientError as error:
            return error.response

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(call, range(5)))
    assert len({each for each in answers if isinstance(each, int)}) == 2
    refused = [each for each in answers if isinstance(each, dict)]
    assert len(refused) == 3
    assert refused[0]["Error"]["Code"] == "TooManyRequestsException"
    assert refused[0]["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert refused[0]["ResponseMetadata"]["HTTPStatusCode"] == 429

    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert call(0)["Error"]["Code"] == "TooManyRequestsException"
    lambda_.delete_function_concurrency(FunctionName=name)
    assert isinstance(result(lambda_.invoke(FunctionName=name, Payload=b'{"seconds": 0}')), int)


def test_a_hundred_must_stay_unreserved(lambda_: Any, make: Make) -> None:
    name = make("echo")
    refused = refusal(
        lambda: lambda_.put_function_concurrency(
            FunctionName=name, ReservedConcurrentExecutions=901
        )
    )
    assert "below its minimum value of [100]" in refused["Error"]["Message"]


def ready(lambda_: Any, name: str, qualifier: str) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = lambda_.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
        if found["Status"] != "IN_PROGRESS":
            return dict(found)
        time.sleep(0.1)
    raise AssertionError("still in progress")


def test_provisioned_environments_wait_for_calls(lambda_: Any, make: Make) -> None:
    name = make("echo", Publish=True)
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=3)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    live = {"FunctionName": name, "Qualifier": "live"}
    asked = lambda_.put_provisioned_concurrency_config(**live, ProvisionedConcurrentExecutions=2)
    assert (asked["Status"], asked["RequestedProvisionedConcurrentExecutions"]) == (
        "IN_PROGRESS",
        2,
    )
    found = ready(lambda_, name, "live")
    assert (found["Status"], found["AvailableProvisionedConcurrentExecutions"]) == ("READY", 2)
    answer = lambda_.invoke(**live, LogType="Tail")
    first = result(answer)
    assert first["kind"] == "provisioned-concurrency"
    assert result(lambda_.invoke(FunctionName=name))["kind"] == "on-demand"
    [config] = lambda_.list_provisioned_concurrency_configs(FunctionName=name)[
        "ProvisionedConcurrencyConfigs"
    ]
    assert config["FunctionArn"].endswith(f":{name}:live")

    # An alias that moves takes its environments along.
    lambda_.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"COLOUR": "blue"}}
    )
    lambda_.publish_version(FunctionName=name)
    lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    assert ready(lambda_, name, "live")["AvailableProvisionedConcurrentExecutions"] == 2
    second = result(lambda_.invoke(**live))
    assert (second["version"], second["kind"]) == ("2", "provisioned-concurrency")
    assert not psutil.pid_exists(first["pid"])

    lambda_.delete_provisioned_concurrency_config(**live)
    assert not psutil.pid_exists(second["pid"])
    refused = refusal(lambda: lambda_.get_provisioned_concurrency_config(**live))
    assert refused["Error"]["Code"] == "ProvisionedConcurrencyConfigNotFoundException"


def test_what_is_all_provisioned_leaves_nothing_for_the_latest(lambda_: Any, make: Make) -> None:
    name = make("slow", Publish=True)
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    one = {"FunctionName": name, "Qualifier": "1"}
    lambda_.put_provisioned_concurrency_config(**one, ProvisionedConcurrentExecutions=1)
    ready(lambda_, name, "1")
    call = {"FunctionName": name, "Payload": b'{"seconds": 0}'}
    assert isinstance(result(lambda_.invoke(**call, Qualifier="1")), int)
    refused = refusal(lambda: lambda_.invoke(**call))
    assert refused["Error"]["Code"] == "TooManyRequestsException"


def test_provisioning_that_cannot_be_is_refused_or_fails(lambda_: Any, make: Make) -> None:
    name = make("echo", Publish=True)
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    for qualifier, count, message in (
        ("$LATEST", 1, "unpublished function versions"),
        ("1", 3, "greater than the reservedConcurrentExecution"),
    ):
        refused = refusal(
            lambda q=qualifier, n=count: lambda_.put_provisioned_concurrency_config(
                FunctionName=name, Qualifier=q, ProvisionedConcurrentExecutions=n
            )
        )
        assert refused["Error"]["Code"] == "InvalidParameterValueException"
        assert message in refused["Error"]["Message"]
    broken = make("handle", "import nowhere", Publish=True)
    lambda_.put_provisioned_concurrency_config(
        FunctionName=broken, Qualifier="1", ProvisionedConcurrentExecutions=1
    )
    failed = ready(lambda_, broken, "1")
    assert (failed["Status"], failed["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")
