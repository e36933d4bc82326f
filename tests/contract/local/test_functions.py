"""Lambda emulated: what was uploaded runs, in processes and under the limits that Lambda has."""

import base64
import json
import re
import time
from typing import Any

import boto3
import botocore.session
import pytest

from tests.contract.local.conftest import ACCOUNT, QUICK, Aws
from tests.contract.local.lambdas import CODE, TRUST, Make, refusal, result, zipped


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
        ("forks", {"megabytes": 300}, "Runtime.OutOfMemory", "signal: killed"),
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
    logs, deadline = aws.client("logs"), time.monotonic() + 120
    while time.monotonic() < deadline:
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
        if groups:
            break
        time.sleep(0.1)
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    assert [each["message"] for each in events].count("heard later") == 1


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
