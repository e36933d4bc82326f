"""The guarded fetch against real servers on loopback: names, redirects, TLS, settings."""

import socket
import ssl
from pathlib import Path

import pytest

from invoke.deadline import Deadline
from invoke.fetch import fetch
from invoke.policy import Policy
from invoke.problems import Problem
from tests.security.function.conftest import (
    PATIENCE,
    PICTURE,
    Certified,
    Start,
    World,
    answer,
    at,
    redirect,
    refusal,
)


def test_a_picture_is_fetched_over_tls_under_its_name(
    start: Start, certified: Certified, world: World
) -> None:
    host = start(answer(), certified("pictures.example"))
    url = at(host, path="/a.png?x=1&y=\u00fc#part")
    assert fetch(world(host), url, Deadline.after(PATIENCE)) == PICTURE
    assert host.names == ["pictures.example"]
    assert host.requests[0].startswith(b"GET /a.png?x=1&y=%C3%BC HTTP/1.1\r\n")
    assert f"Host: pictures.example:{host.port}\r\n".encode() in host.requests[0]


def test_the_name_is_looked_up_once_and_the_checked_address_is_used(
    start: Start, world: World
) -> None:
    host = start(answer())
    asked: list[str] = []

    def rebinding(name: str) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    fetch(world(host, resolve=rebinding), at(host), Deadline.after(PATIENCE))
    assert asked == ["pictures.example"]


def test_a_name_that_changes_between_look_ups_is_refused_at_the_redirect(
    start: Start, world: World
) -> None:
    host = start(redirect("/again"))
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    problem = refusal(world(host, resolve=lambda _: next(answers)), at(host))
    assert (problem.status, str(problem)) == (
        400,
        "pictures.example is not on the public internet",
    )
    assert len(host.requests) == 1


@pytest.mark.parametrize("private", ["10.0.0.1", "::1", "169.254.169.254", "64:ff9b::7f00:1"])
def test_one_private_address_among_public_ones_refuses_the_name(
    start: Start, world: World, private: str
) -> None:
    host = start(answer())
    problem = refusal(world(host, resolve=lambda _: ["127.0.0.1", private]), at(host))
    assert problem.status == 400
    assert host.requests == []


def test_the_next_address_is_tried_when_one_does_not_answer(start: Start, world: World) -> None:
    host = start(answer())
    policy = world(host, resolve=lambda _: ["127.0.0.2", "127.0.0.1"], is_public=lambda _: True)
    assert fetch(policy, at(host), Deadline.after(PATIENCE)) == PICTURE


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (socket.gaierror(socket.EAI_NONAME, "none"), 422),
        (socket.gaierror(socket.EAI_AGAIN, "later"), 502),
        (UnicodeError("label too long"), 422),
    ],
)
def test_a_name_that_does_not_resolve_is_named(
    start: Start, world: World, error: Exception, status: int
) -> None:
    def fail(_: str) -> list[str]:
        raise error

    problem = refusal(
        world(start(answer()), resolve=fail, ports=frozenset({80})), "http://no.example"
    )
    assert (problem.status, str(problem)) == (status, "the name no.example cannot be resolved")


def test_a_name_without_addresses_is_refused(start: Start, world: World) -> None:
    host = start(answer())
    assert refusal(world(host, resolve=lambda _: []), at(host)).status == 400


# Redirects


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Same", "308 Same"])
def test_a_redirect_is_followed(start: Start, world: World, status: str) -> None:
    host = start(lambda _: None)
    host.talk = lambda connection: connection.sendall(
        answer(b"", "Location: /there.png", status=status) if len(host.requests) == 1 else answer()
    )
    assert fetch(world(host), at(host), Deadline.after(PATIENCE)) == PICTURE
    assert host.requests[1].startswith(b"GET /there.png ")


def test_a_redirect_loop_ends_after_three(start: Start, world: World) -> None:
    host = start(redirect("/again"))
    problem = refusal(world(host), at(host))
    assert (problem.status, str(problem)) == (422, "the URL redirects more than 3 times")
    assert len(host.requests) == 4


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://169.254.169.254/latest/meta-data/", "can be used"),
        ("http://10.0.0.1:{port}/", "10.0.0.1 is not on the public internet"),
        ("http://[::1]:{port}/", "::1 is not on the public internet"),
        ("//127.0.0.2:{port}/", "127.0.0.2 is not on the public internet"),
        ("http://2130706433:{port}/", "four decimal numbers"),
        ("file:///etc/passwd", "must begin with"),
        ("gopher://127.0.0.1:{port}/_GET", "must begin with"),
        ("https://pictures.example/", "must begin with"),
        ("http://user@pictures.example:{port}/", "user name"),
        ("http://pictures.example:22/", "port 22"),
        ("http://pictures.example\\@10.0.0.1/", "backslash"),
        ("//[/", "cannot be read"),
    ],
)
def test_a_redirect_is_checked_anew(
    start: Start, world: World, location: str, message: str
) -> None:
    host = start(lambda _: None)
    host.talk = lambda connection: connection.sendall(redirect(location.format(port=host.port)))
    problem = refusal(world(host), at(host))
    assert problem.status == 400
    assert message in str(problem)


def test_a_redirect_from_https_to_http_is_refused(
    start: Start, certified: Certified, world: World
) -> None:
    plain = start(answer())
    host = start(redirect(at(plain)), certified("pictures.example"))
    policy = world(host, ports=frozenset({host.port, plain.port}))
    assert str(refusal(policy, at(host))) == "the URL must begin with https://"
    assert plain.requests == []


def test_a_redirect_without_location_is_the_hosts_fault(start: Start, world: World) -> None:
    host = start(answer(b"", status="302 Found"))
    problem = refusal(world(host), at(host))
    assert (problem.status, str(problem)) == (
        502,
        "pictures.example redirects without saying where to",
    )


# TLS


def test_a_certificate_for_another_name_is_refused(
    start: Start, certified: Certified, world: World
) -> None:
    host = start(answer(), certified("other.example"))
    problem = refusal(world(host), at(host))
    assert problem.status == 502
    assert "certificate of pictures.example does not hold: Hostname mismatch" in str(problem)
    assert host.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(
    start: Start, certified: Certified, world: World
) -> None:
    host = start(answer(), certified("pictures.example"))
    problem = refusal(world(host, trust=ssl.create_default_context), at(host))
    assert problem.status == 502
    assert "certificate of pictures.example does not hold" in str(problem)


def test_an_address_is_held_against_the_certificate_too(
    start: Start, certified: Certified, world: World
) -> None:
    host = start(answer(), certified("pictures.example"))
    assert "IP address mismatch" in str(refusal(world(host), at(host, "127.0.0.1")))


def test_a_host_without_tls_is_named(start: Start, world: World) -> None:
    plain = start(answer())
    policy = world(plain, schemes=frozenset({"https"}))
    problem = refusal(policy, f"https://pictures.example:{plain.port}/")
    assert (problem.status, "does not speak TLS" in str(problem)) == (502, True)


def test_a_handshake_that_never_comes_ends_in_time(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        policy = world(schemes=frozenset({"https"}), ports=frozenset({port}), connect_seconds=0.2)
        problem = refusal(policy, f"https://pictures.example:{port}/")
    assert (problem.status, "TLS handshake" in str(problem)) == (504, True)


# The environment and the configuration


def test_proxies_and_credentials_of_the_environment_are_ignored(
    start: Start, world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host, proxy = start(answer()), start(answer(b"from the proxy"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine pictures.example login me password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    assert fetch(world(host), at(host), Deadline.after(PATIENCE)) == PICTURE
    assert proxy.requests == []
    assert b"authorization" not in host.requests[0].lower()


@pytest.mark.parametrize(
    ("patterns", "name", "allowed"),
    [
        (("pictures.example",), "pictures.example", True),
        (("pictures.example",), "PICTURES.example", True),
        (("pictures.example",), "a.pictures.example", False),
        (("pictures.example",), "notpictures.example", False),
        (("*.pictures.example",), "a.pictures.example", True),
        (("*.pictures.example",), "pictures.example", False),
        (("*.pictures.example",), "notpictures.example", False),
        (
            ("other.example", "b\u00fccher.example".encode("idna").decode()),
            "b\u00fccher.example",
            True,
        ),
    ],
)
def test_a_list_of_hosts_is_kept_to(
    start: Start, world: World, patterns: tuple[str, ...], name: str, *, allowed: bool
) -> None:
    host = start(answer())
    policy = world(host, hosts=patterns)
    if allowed:
        assert fetch(policy, at(host, name), Deadline.after(PATIENCE)) == PICTURE
    else:
        problem = refusal(policy, at(host, name))
        assert (problem.status, host.requests) == (403, [])


def test_the_policy_of_production_is_strict() -> None:
    policy = Policy()
    assert (policy.schemes, policy.ports) == ({"https"}, {443})
    context = policy.trust()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(Problem, match="not on the public internet"):
        fetch(policy, "https://localhost/", Deadline.after(PATIENCE))
