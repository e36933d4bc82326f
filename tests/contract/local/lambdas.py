"""What a Lambda function is made of: its zip, and a role that may write logs; and what it says."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.contract.local.conftest import Aws

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

def forks(event, context):
    if os.fork():
        time.sleep(3)
    else:
        hungry(event, context)
        os._exit(0)

def long(event, context):
    return "x" * event["bytes"]

def odd(event, context):
    return {1, 2}
"""
Make = Callable[..., str]  # a handler's name, then settings; the function's name
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"},
        }
    ],
}
LOGGING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}],
}


def zipped(**files: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return content.getvalue()


def role_named(aws: "Aws", name: str) -> str:
    iam = aws.client("iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.put_role_policy(RoleName=name, PolicyName="logs", PolicyDocument=json.dumps(LOGGING))
    return str(made["Role"]["Arn"])


def result(answer: dict[str, Any]) -> Any:
    return json.loads(answer["Payload"].read())


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call()
    return dict(caught.value.response)
