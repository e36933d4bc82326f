"""What changed something is asked again after a restart, and comes out the same."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kennel.local.aws.journal import Environ, Journal, Start, Wsgi


@pytest.fixture(autouse=True)
def _installed() -> None:
    from kennel.local.aws import journal

    journal.install()


def kept_in(folder: Path) -> "Journal":
    from kennel.local.aws.journal import Journal

    return Journal(folder)


class Service:
    """Names what it is asked to make, as moto does; remembers what it was asked."""

    def __init__(self) -> None:
        self.made: list[tuple[str, bytes, str]] = []

    def __call__(self, environ: "Environ", start: "Start") -> Iterable[bytes]:
        from moto.moto_api._internal import mock_random

        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.made.append((environ["PATH_INFO"], body, str(mock_random.uuid4())))
        start("404 Not Found" if environ["PATH_INFO"] == "/none" else "200 OK", [])
        return [b"done"]


def call(
    application: "Wsgi", method: str, path: str, body: bytes = b"", **more: Any
) -> list[bytes]:
    environ: Environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **more,
    }
    return list(application(environ, lambda *_: lambda _: None))


def repeated(folder: Path) -> list[tuple[str, bytes, str]]:
    again = Service()
    kept_in(folder).repeat(again)
    return again.made


def test_changes_are_repeated_in_order_with_the_same_names(tmp_path: Path) -> None:
    service = Service()
    application = kept_in(tmp_path).around(service)
    for number in range(3):
        call(application, "PUT", f"/{number}", b"body")
    assert len({name for _, _, name in service.made}) == 3
    assert repeated(tmp_path) == service.made


def test_who_first_asks_a_service_gets_the_same_names_as_later() -> None:
    """Of two calls at once either may be the first, and be repeated as the second."""
    from moto.ec2.models import ec2_backends

    from kennel.local.aws import journal

    def vpc(account: str) -> str:
        with journal.seeded("a call"):
            return str(ec2_backends[account]["eu-west-1"].create_vpc("10.0.0.0/16").id)

    assert ec2_backends["100000000001"]["eu-west-1"].vpcs  # the default one
    assert vpc("100000000001") == vpc("100000000002")


def test_a_large_body_lies_in_a_file_and_comes_back_whole(tmp_path: Path) -> None:
    large = bytes(range(256)) * 1024
    call(kept_in(tmp_path).around(Service()), "PUT", "/large", large)
    assert (tmp_path / "journal.jsonl").stat().st_size < 1000
    assert [body for _, body, _ in repeated(tmp_path)] == [large]


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("GET", "/bucket", ""),
        ("HEAD", "/bucket", ""),
        ("POST", "/", "SageMaker.DescribeEndpoint"),
        ("POST", "/", "SageMaker.CreateEndpoint"),  # left out below
        ("POST", "/endpoints/live/invocations", ""),
        ("POST", "/2015-03-31/functions/predict/invocations", ""),
        ("PUT", "/none", ""),  # refused
    ],
)
def test_what_changes_nothing_or_is_kept_elsewhere_is_not_written_down(
    tmp_path: Path, method: str, path: str, target: str
) -> None:
    kept = kept_in(tmp_path)
    kept.leave_out("CreateEndpoint")
    service = Service()
    call(kept.around(service), method, path, **({"HTTP_X_AMZ_TARGET": target} if target else {}))
    assert len(service.made) == 1
    assert repeated(tmp_path) == []


def test_a_line_that_a_crash_cut_short_is_as_if_it_had_never_been_asked(tmp_path: Path) -> None:
    call(kept_in(tmp_path).around(Service()), "PUT", "/whole")
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"seed": "1", "environ": {"REQ')
    assert [path for path, _, _ in repeated(tmp_path)] == ["/whole"]


def test_repeating_writes_nothing_down(tmp_path: Path) -> None:
    call(kept_in(tmp_path).around(Service()), "PUT", "/once")
    kept = kept_in(tmp_path)
    assert kept.repeat(kept.around(Service())) == 1
    assert kept.repeat(kept.around(Service())) == 1
