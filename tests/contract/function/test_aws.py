"""Our signed calls against botocore's own: the same address, headers and signature."""

import re
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from invoke.aws import RUNTIME, S3, Client
from invoke.bucket import Buckets
from invoke.deadline import Deadline
from invoke.problems import Problem
from invoke.settings import SettingsError
from tests.contract.function.conftest import CREDENTIALS, Call, Reply, Service, Start

REGIONS = ["us-east-1", "eu-central-1", "ap-southeast-5", "cn-north-1", "us-gov-west-1"]
SIGNED = re.compile(r"Credential=[^/]+/(\d+/[^,]+), SignedHeaders=([^,]+), Signature=(\w+)")


def botocores(service: str, region: str, **more: Any) -> Any:
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "secret", "token")
    return session.create_client(service, region, **more)


def signature(call: Call) -> tuple[str, str, str]:
    """Scope, signed headers, and the signature itself."""
    found = SIGNED.search(call.headers["authorization"])
    assert found
    return found[1], found[2], found[3]


@pytest.mark.parametrize("region", REGIONS)
def test_the_address_is_botocores(region: str) -> None:
    client = Client(RUNTIME, {**CREDENTIALS, "AWS_REGION": region}, connections=1)
    assert client.url == botocores("sagemaker-runtime", region).meta.endpoint_url


def test_an_invocation_is_signed_as_botocore_signs_it(start: Start) -> None:
    service = start(lambda _: Reply())
    theirs = botocores("sagemaker-runtime", "eu-central-1", endpoint_url=service.url)
    variable = {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": service.url}
    ours = Client(RUNTIME, CREDENTIALS | variable, connections=1)
    headers = {
        "Content-Type": "image/png",
        "Accept": "application/json",
        "X-Amzn-SageMaker-Custom-Attributes": "top=3,logits=true",
        "X-Amzn-SageMaker-Inference-Id": "id-1",
    }
    for _ in range(20):  # until both are sent within one second, which is part of the signature
        theirs.invoke_endpoint(
            EndpointName="dogs",
            ContentType="image/png",
            Accept="application/json",
            CustomAttributes="top=3,logits=true",
            InferenceId="id-1",
            Body=b"picture",
        )["Body"].read()
        path = "/endpoints/dogs/invocations"
        ours.call("POST", path, headers, b"picture", Deadline.after(5)).read()
        theirs_sent, ours_sent = service.calls[-2:]
        if theirs_sent.headers["x-amz-date"] == ours_sent.headers["x-amz-date"]:
            break
    assert (ours_sent.method, ours_sent.path) == (theirs_sent.method, theirs_sent.path)
    assert ours_sent.body == theirs_sent.body
    assert signature(ours_sent) == signature(theirs_sent)


@pytest.mark.parametrize("key", ["dog.png", "a/b c/ü+%.png", "a//b..c", "~x='y'"])
def test_an_object_is_asked_for_as_botocore_does_it(start: Start, key: str) -> None:
    service = start(lambda _: Reply())
    theirs = botocores(
        "s3",
        "eu-central-1",
        endpoint_url=service.url,
        config=Config(
            s3={"addressing_style": "path"}, response_checksum_validation="when_required"
        ),
    )
    ours = buckets(service)
    for _ in range(20):
        theirs.get_object(Bucket="photos", Key=key)["Body"].read()
        ours.fetch(f"s3://photos/{key}", Deadline.after(5))
        theirs_sent, ours_sent = service.calls[-2:]
        if theirs_sent.headers["x-amz-date"] == ours_sent.headers["x-amz-date"]:
            break
    assert ours_sent.path == theirs_sent.path
    assert ours_sent.headers["x-amz-content-sha256"] == theirs_sent.headers["x-amz-content-sha256"]
    assert signature(ours_sent) == signature(theirs_sent)


def buckets(service: Service, *, most_bytes: int = 1000) -> Buckets:
    environment = {**CREDENTIALS, "AWS_ENDPOINT_URL_S3": service.url}
    return Buckets(("photos",), Client(S3, environment, connections=1), most_bytes)


@pytest.mark.parametrize(
    ("url", "reply", "status", "detail"),
    [
        ("s3://other/dog.png", Reply(), 403, "not on the list"),
        ("s3://photos@other/dog.png", Reply(), 403, "not on the list"),
        ("s3://photos", Reply(), 400, "names no object"),
        ("s3://photos/", Reply(), 400, "names no object"),
        ("s3://photos/../other/dog.png", Reply(), 400, "holds . or .."),
        ("s3://photos/a/./dog.png", Reply(), 400, "holds . or .."),
        ("s3://photos/none", Reply(404), 422, "does not exist"),
        ("s3://photos/closed", Reply(403), 422, "may not be read"),
        (
            "s3://photos/elsewhere",
            Reply(301, headers={"Location": "http://x/"}),
            502,
            "did not send",
        ),
        ("s3://photos/broken", Reply(500), 502, "did not send"),
        ("s3://photos/huge", Reply(200, bytes(1001)), 413, "more than 1000 bytes"),
    ],
)
def test_an_object_that_cannot_be_had_is_named(
    start: Start, url: str, reply: Reply, status: int, detail: str
) -> None:
    service = start(lambda _: reply)
    with pytest.raises(Problem) as caught:
        buckets(service).fetch(url, Deadline.after(5))
    assert (caught.value.status, detail in caught.value.detail) == (status, True)
    assert all(call.path.startswith("/photos/") for call in service.calls)


def test_a_silent_bucket_is_left_in_time(start: Start) -> None:
    service = start(lambda _: None)
    with pytest.raises(Problem, match="did not send the object"):
        buckets(service).fetch("s3://photos/dog.png", Deadline.after(0.2))


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_what_lambda_sets_is_named_where_it_is_missing(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is not set; on Lambda it always is"):
        Client(RUNTIME, CREDENTIALS | {name: ""}, connections=1)
