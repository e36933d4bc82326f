"""Lambda emulated: what was uploaded runs, in processes and under the limits that Lambda has."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import botocore.session
import psutil
import pytest
from botocore.exceptions import ClientError

from tests.contract.local.conftest import ACCOUNT, QUICK, Aws
from tests.contract.local.lambdas import TRUST, role_named, zipped

CODE = """
import json, os, sys, time

def echo(event, context):
    print("heard", event.get("say"))
    return {
        "event": event,
        "name": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis(),
        "stream": context.log_stream_name,
        "pid": os.getpid(),
        "kind": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "colour": os.environ.get("COLOUR"),
        "endpoint": os.environ["AWS_ENDPOINT_URL"],
        "keys": [os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"],
                 os.environ["AWS_SESSION_TOKEN"]],
        "home": os.getcwd(),
    }

def slow(event, context):
    time.sleep(event["seconds"])
    return os.getpid()

def raises(event, context):
    raise ValueError("no good")

def leaves(event, context):
    sys.exit(3)

def hungry(event, context):
    kept = bytearray(event["megabytes"] * 2**20)
    kept[::4096] = b"x" * len(kept[::4096])
    time.sleep(1)
    return len(kept)

def long(event, context):
    return "x" * event["bytes"]

def odd(event, context):
    return {1, 2}
"""
Make = Callable[..., str]


@pytest.fixture(scope="module")
def lambda_(aws: Aws) -> Any:
    return aws.client("lambda")


@pytest.fixture(scope="module")
def role(aws: Aws) -> str:
    return role_named(aws, "worker")


@pytest.fixture
def make(lambda_: Any, role: str) -> Iterator[Make]:
    """Creates functions, which are gone after the test."""
    names: list[str] = []

    def make(handler: str, code: str = CODE, **settings: Any) -> str:
        name = f"function-{time.time_ns()}"
        lambda_.create_function(
            FunctionName=name,
            Role=role,
            Runtime="python3.12",
            Handler=f"code.{handler}",
            Code={"ZipFile": zipped(code=code)},
            **{"MemorySize": 256, "Timeout": 5, **settings},
        )
        names.append(name)
        return name

    yield make
    for name in names:
        lambda_.delete_function(FunctionName=name)


def result(answer: dict[str, Any]) -> Any:
    return json.loads(answer["Payload"].read())


def test_the_uploaded_zip_runs_as_on_lambda(lambda_: Any, make: Make, aws: Aws) -> None:
    name = make("echo", Environment={"Variables": {"COLOUR": "red"}})
    answer = lambda_.invoke(FunctionName=name, Payload=b'{"say": "\\u00fc"}', LogType="Tail")
    told = result(answer)
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert told["event"] == {"say": "ü"}
    assert (told["name"], told["version"], told["memory"]) == (name, "$LATEST", "256")
    assert told["arn"] == f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:{name}"
    assert 4000 < told["left"] <= 5000
    assert (told["kind"], told["colour"]) == ("on-demand", "red")
    assert told["endpoint"] == aws.address
    log = base64.b64decode(answer["LogResult"]).decode()
    assert re.search(
        r"INIT_START .*\nSTART RequestId: (\S+) Version: \$LATEST\nheard ü\nEND RequestId: \1\n"
        r"REPORT RequestId: \1\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB"
        r"\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t\n",
        log,
    )
    events = aws.client("logs").get_log_events(
        logGroupName=f"/aws/lambda/{name}", logStreamName=told["stream"]
    )["events"]
    assert "".join(f"{each['message']}\n" for each in events) == log


def test_a_warm_process_is_used_again(lambda_: Any, make: Make) -> None:
    name = make("echo")
    first, second = (lambda_.invoke(FunctionName=name, LogType="Tail") for _ in range(2))
    assert result(first)["pid"] == result(second)["pid"]
    assert b"Init" not in base64.b64decode(second["LogResult"])


def test_the_function_has_its_roles_credentials(lambda_: Any, make: Make, aws: Aws) -> None:
    key, secret, token = result(lambda_.invoke(FunctionName=make("echo")))["keys"]
    sts = boto3.client(
        "sts",
        endpoint_url=aws.address,
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=QUICK,
    )
    assert ":assumed-role/worker/function-" in sts.get_caller_identity()["Arn"]


@pytest.mark.parametrize(
    ("handler", "event", "kind", "message"),
    [
        ("raises", {}, "ValueError", "no good"),
        ("leaves", {}, "Runtime.ExitError", "exit status 3"),
        ("slow", {"seconds": 9}, "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("hungry", {"megabytes": 300}, "Runtime.OutOfMemory", "signal: killed"),
        ("long", {"bytes": 6291456}, "Function.ResponseSizeTooLarge", "(6291456 bytes)"),
        ("odd", {}, "Runtime.MarshalError", "Unable to marshal response"),
        ("missing", {}, "Runtime.HandlerNotFound", "Handler 'missing' missing on module 'code'"),
    ],
)
def test_what_goes_wrong_is_named_as_lambda_names_it(
    lambda_: Any, make: Make, handler: str, event: object, kind: str, message: str
) -> None:
    name = make(handler, Timeout=1 if handler == "slow" else 10)
    answer = lambda_.invoke(FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    told = result(answer)
    assert told["errorType"] == kind
    assert message in told["errorMessage"]
    assert b"REPORT RequestId" in base64.b64decode(answer["LogResult"])


def test_a_module_that_cannot_be_imported_is_named(lambda_: Any, make: Make) -> None:
    told = result(lambda_.invoke(FunctionName=make("handle", "import nowhere")))
    assert told["errorType"] == "Runtime.ImportModuleError"
    assert told["errorMessage"] == "Unable to import module 'code': No module named 'nowhere'"


def test_loading_has_time_of_its_own(lambda_: Any, make: Make) -> None:
    slow = "import time\ntime.sleep(1.5)\ndef handle(event, context):\n    return 'loaded'\n"
    assert result(lambda_.invoke(FunctionName=make("handle", slow, Timeout=1))) == "loaded"


def test_the_traceback_goes_to_caller_and_log_without_our_own_frames(
    lambda_: Any, make: Make
) -> None:
    answer = lambda_.invoke(FunctionName=make("raises"), LogType="Tail")
    told, log = result(answer), base64.b64decode(answer["LogResult"]).decode()
    assert [line.splitlines()[1].strip() for line in told["stackTrace"]] == [
        'raise ValueError("no good")'
    ]
    assert "[ERROR] ValueError: no good" in log
    assert "worker.py" not in log


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call()
    return dict(caught.value.response)


def test_payloads_have_lambdas_limit(lambda_: Any, make: Make) -> None:
    name = make("slow")
    most = 6 * 1024 * 1024
    fits = b'{"seconds": 0, "x": "%s"}' % (b"x" * (most - 23))
    assert len(fits) == most
    assert isinstance(result(lambda_.invoke(FunctionName=name, Payload=fits)), int)
    refused = refusal(lambda: lambda_.invoke(FunctionName=name, Payload=fits + b" "))
    assert refused["Error"]["Code"] == "RequestTooLargeException"
    assert refused["ResponseMetadata"]["HTTPStatusCode"] == 413
    refused = refusal(lambda: lambda_.invoke(FunctionName=name, Payload=b"{"))
    assert refused["Error"]["Code"] == "InvalidRequestContentException"


def test_dry_runs_and_events_do_not_wait(lambda_: Any, make: Make, aws: Aws) -> None:
    name = make("echo")
    call = {"FunctionName": name, "Payload": b'{"say": "later"}'}
    assert lambda_.invoke(**call, InvocationType="DryRun")["StatusCode"] == 204
    assert lambda_.invoke(**call, InvocationType="Event")["StatusCode"] == 202
    logs, deadline = aws.client("logs"), time.monotonic() + 10
    while time.monotonic() < deadline:
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
        if groups:
            break
        time.sleep(0.1)
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    assert [each["message"] for each in events].count("heard later") == 1


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


def test_versions_and_aliases_run_what_was_published(lambda_: Any, make: Make) -> None:
    name = make("echo", Environment={"Variables": {"COLOUR": "red"}}, Publish=True)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    lambda_.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"COLOUR": "blue"}}
    )
    second = lambda_.publish_version(FunctionName=name)["Version"]

    def colour(qualifier: str) -> tuple[str, str]:
        told = result(lambda_.invoke(FunctionName=name, Qualifier=qualifier))
        return told["version"], told["colour"]

    assert colour("1") == colour("live") == ("1", "red")
    assert colour(second) == ("2", "blue")
    assert colour("$LATEST") == ("$LATEST", "blue")
    assert result(lambda_.invoke(FunctionName=f"{name}:live"))["version"] == "1"

    lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    assert colour("live") == ("2", "blue")

    half = {"AdditionalVersionWeights": {"1": 0.5}}
    lambda_.update_alias(FunctionName=name, Name="live", RoutingConfig=half, FunctionVersion="2")
    assert {colour("live")[0] for _ in range(30)} == {"1", "2"}
    refused = refusal(lambda: lambda_.invoke(FunctionName=name, Qualifier="nowhere"))
    assert refused["Error"]["Code"] == "ResourceNotFoundException"


def test_new_code_replaces_the_latest_only(lambda_: Any, make: Make) -> None:
    name = make("handle", "def handle(e, c): return 'old'", Publish=True)
    assert result(lambda_.invoke(FunctionName=name)) == "old"
    new = zipped(code="def handle(e, c): return 'new'")
    lambda_.update_function_code(FunctionName=name, ZipFile=new)
    assert result(lambda_.invoke(FunctionName=name)) == "new"
    assert result(lambda_.invoke(FunctionName=name, Qualifier="1")) == "old"


def ready(lambda_: Any, name: str, qualifier: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
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


def test_a_role_that_lambda_may_not_assume_is_refused(lambda_: Any, aws: Aws) -> None:
    other = json.dumps(TRUST).replace("lambda.", "ec2.")
    role = aws.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument=other)
    refused = refusal(
        lambda: lambda_.create_function(
            FunctionName="refused",
            Role=role["Role"]["Arn"],
            Runtime="python3.12",
            Handler="code.echo",
            Code={"ZipFile": zipped(code=CODE)},
        )
    )
    assert "cannot be assumed by Lambda" in refused["Error"]["Message"]


def test_a_role_without_the_right_writes_no_log(lambda_: Any, aws: Aws, make: Make) -> None:
    iam = aws.client("iam")
    role = iam.create_role(RoleName="mute", AssumeRolePolicyDocument=json.dumps(TRUST))
    name = make("echo")
    lambda_.update_function_configuration(FunctionName=name, Role=role["Role"]["Arn"])
    answer = lambda_.invoke(FunctionName=name, LogType="Tail")
    assert b"START" in base64.b64decode(answer["LogResult"])
    assert not aws.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")[
        "logGroups"
    ]


def test_answers_have_the_shape_of_botocores_model(lambda_: Any, make: Make) -> None:
    """Every operation added here, and each member of its answer, is one that the model knows."""
    name = make("echo", Publish=True)
    shapes = botocore.session.get_session().get_service_model("lambda")
    one = {"FunctionName": name, "Qualifier": "1"}
    told: dict[str, Any] = {}

    def note(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
        told[operation_model.name] = response_dict

    lambda_.meta.events.register("before-parse.lambda", note)
    lambda_.put_provisioned_concurrency_config(**one, ProvisionedConcurrentExecutions=1)
    lambda_.get_provisioned_concurrency_config(**one)
    lambda_.list_provisioned_concurrency_configs(FunctionName=name)
    lambda_.delete_provisioned_concurrency_config(**one)
    lambda_.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="FunctionUpdate")
    lambda_.get_runtime_management_config(FunctionName=name)
    lambda_.get_function_recursion_config(FunctionName=name)
    lambda_.get_function_code_signing_config(FunctionName=name)
    lambda_.get_account_settings()
    lambda_.invoke(FunctionName=name, LogType="Tail")
    lambda_.meta.events.unregister("before-parse.lambda", note)
    assert len(told) == 10
    for operation, answer in told.items():
        model = shapes.operation_model(operation)
        assert answer["status_code"] == model.http["responseCode"], operation
        if operation != "Invoke" and answer["body"]:
            assert set(json.loads(answer["body"])) <= set(model.output_shape.members), operation
