"""AWS, as every verb reaches it: one session, bounded waits, errors that name their remedy.

Credentials, region and addresses come from where every AWS client takes them (AWS_PROFILE,
AWS_REGION, AWS_ENDPOINT_URL and the rest). What AWS answers need not be caught by a verb: the
command tells any error of AWS by `explain`.
"""

import os
from collections.abc import Mapping
from functools import cache
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from kennel import remedies
from kennel.errors import UserError

_making = Lock()  # boto3 makes clients from its session's data, which threads must not share


def client(service: str, region: str = "", **settings: Any) -> Any:
    """A client with bounded waits; `region` is the stack's own, from Terraform's outputs.

    Throttling and lost connections are tried again with growing waits; `settings` are botocore's.
    """
    defaults: dict[str, Any] = {
        "connect_timeout": 5,
        "read_timeout": 60,
        "retries": {"mode": "standard", "total_max_attempts": 5},
        "user_agent_extra": "kennel",
    }
    config = Config(**defaults | settings)
    with _making:
        return session().client(service, region_name=region or None, config=config)


@cache
def session() -> Any:
    # AWS_REGION is what every other client of AWS reads; boto3 knows AWS_DEFAULT_REGION alone.
    return boto3.Session(region_name=os.environ.get("AWS_REGION") or None)


@cache
def identity() -> Mapping[str, str]:
    """Who we are to AWS: Account, Arn, UserId."""
    answer = client("sts", session().region_name or "us-east-1").get_caller_identity()
    return {key: str(answer[key]) for key in ("Account", "Arn", "UserId")}


def account() -> str:
    return identity()["Account"]


def own_bucket(s3: Any, bucket: str) -> None:
    """That the bucket is there, ours and within reach, before anything is read or written.

    The name of a bucket that was deleted can be taken by anyone: a verb's further calls give
    `ExpectedBucketOwner=account()` too.
    """
    try:
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account())
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            raise UserError(
                f"there is no bucket {bucket} in account {account()}: apply the platform "
                "(`make plan apply STACK=platform`), or choose the account that it was applied in "
                "with AWS_PROFILE"
            ) from error
        if status == 403:
            raise UserError(
                f"the bucket {bucket} belongs to another account, or {identity()['Arn']} may not "
                "list it: choose the account that the platform was applied in with AWS_PROFILE, "
                "or have s3:ListBucket granted"
            ) from error
        raise


def explain(error: BaseException) -> UserError | None:
    """What an AWS client's error means for the user; None if it is not an AWS client's error."""
    if isinstance(error, ClientError):
        return UserError(remedies.of_answer(error.operation_name, error.response))
    if isinstance(error, BotoCoreError):
        return UserError(remedies.of_silence(type(error).__name__, str(error)))
    # boto3 wraps what stops a transfer in an exception of its own.
    return explain(error.__cause__) if error.__cause__ else None
