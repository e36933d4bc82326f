"""Every way in which AWS refuses or stays silent ends in words and a remedy, by real clients."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.loaders import Loader, create_loader

from kennel import aws
from kennel.errors import UserError


@dataclass
class Aws:
    """A service that gives one answer to all, but sts tells who we are."""

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


IDENTITY = """<GetCallerIdentityResponse><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:role/reader</Arn><UserId>A</UserId><Account>123456789012</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""


@pytest.fixture(scope="module")
def loader() -> Loader:
    """Of botocore's descriptions of services: read once for all tests, as that takes its time."""
    return create_loader()


@pytest.fixture
def answer(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    state = Aws()
    monkeypatch.setattr("botocore.session.create_loader", lambda _: loader)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            who = b"GetCallerIdentity" in body
            content = (IDENTITY if who else state.body).encode()
            self.send_response(200 if who else state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    forget()
    yield state
    forget()
    server.shutdown()
    thread.join()
    server.server_close()


def forget() -> None:
    aws.session.cache_clear()
    aws.identity.cache_clear()


ONCE = {"retries": {"total_max_attempts": 1}, "read_timeout": 60, "connect_timeout": 60}


def explained(action: Any) -> str:
    """What the command would print for the error of a call."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is botocore's affair
        action()
    said = aws.explain(caught.value)
    assert said is not None, caught.value
    assert said.exit_code == 1
    return str(said)


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (400, "ExpiredTokenException", "the credentials have expired"),
        (403, "UnrecognizedClientException", "the credentials have expired"),
        (400, "AccessDeniedException", "use a role that may"),
        (400, "ResourceLimitExceeded", "`kennel doctor` lists the quotas"),
        (400, "ThrottlingException", "wait a minute"),
        (400, "RequestTimeTooSkewed", "the clock of this machine is wrong"),
        (400, "InsufficientCapacityError", "no such machine free"),
    ],
)
def test_a_refusal_of_a_json_service_names_the_remedy(
    answer: Aws, status: int, code: str, remedy: str
) -> None:
    answer.status, answer.body = status, f'{{"__type": "{code}", "message": "so it is."}}'
    said = explained(aws.client("sagemaker", **ONCE).list_models)
    assert said.startswith(f"ListModels: so it is ({code}): ")
    assert remedy in said


def test_a_clock_that_is_off_is_not_taken_for_expired_credentials(answer: Aws) -> None:
    answer.status = 403
    answer.body = (
        '{"__type": "SignatureDoesNotMatch", "message": "Signature expired: 20260101T000000Z is '
        'now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)"}'
    )
    said = explained(aws.client("sagemaker", **ONCE).list_models)
    assert said.endswith("the clock of this machine is wrong: set it (`timedatectl set-ntp true`)")


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (400, "ExpiredToken", "aws sso login"),
        (403, "AccessDenied", "use a role that may"),
        (403, "InvalidAccessKeyId", "aws sso login"),
        (404, "NoSuchBucket", "STACK=platform"),
        (301, "PermanentRedirect", "it is in us-west-2: choose the stack of that region"),
    ],
)
def test_a_refusal_of_s3_names_the_remedy(answer: Aws, status: int, code: str, remedy: str) -> None:
    answer.status = status
    answer.body = f"<Error><Code>{code}</Code><Message>so it is</Message></Error>"
    answer.headers = {"x-amz-bucket-region": "us-west-2"} if status == 301 else {}
    said = explained(lambda: aws.client("s3", **ONCE).put_object(Bucket="bucket", Key="key"))
    assert remedy in said


def test_a_bucket_of_another_account_is_told_from_one_that_is_missing(answer: Aws) -> None:
    s3 = aws.client("s3", **ONCE)
    answer.status = 403
    with pytest.raises(
        UserError, match=r"belongs to another account, or arn:.*role/reader may not"
    ):
        aws.own_bucket(s3, "bucket")
    answer.status = 404
    with pytest.raises(UserError, match="no bucket bucket in account 123456789012"):
        aws.own_bucket(s3, "bucket")


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "there are no AWS credentials"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "half of the AWS credentials are missing"),
        ({"AWS_PROFILE": "nobody"}, "`aws configure list-profiles`"),
        ({"AWS_REGION": "", "AWS_ENDPOINT_URL": ""}, "set AWS_REGION"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "is it running?"),
    ],
)
@pytest.mark.usefixtures("answer")
def test_what_keeps_a_call_from_being_made_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], remedy: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    forget()
    assert remedy in explained(lambda: aws.client("sagemaker", **ONCE).list_models())


def test_an_error_of_ours_is_not_taken_for_one_of_aws() -> None:
    assert aws.explain(ValueError("ours")) is None
