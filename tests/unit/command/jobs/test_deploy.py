"""What a deployment does when things go wrong, and what a rollback goes back to."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from kennel import deploy, smoke, stack
from kennel.classifier import Api, Picture
from kennel.deploy import carry_out
from kennel.deployments import Deployment, ending_in, line_of
from kennel.errors import Failed, UserError
from kennel.outputs import Outputs
from kennel.rollback import before


def deployment(number: int, **more: Any) -> Deployment:
    made = Deployment(number, f"image@{number}", f"s3://models/{number}", "deploy", "serving")
    return replace(made, **more)


@dataclass
class Stand:
    """The stack: what was applied to it, what fails, what was recorded."""

    bad: set[int] = field(default_factory=set)
    applied: list[int] = field(default_factory=list)
    records: list[Deployment] = field(default_factory=list)

    def put(self, wanted: Deployment) -> int:
        self.applied.append(wanted.release)
        if wanted.release in self.bad:
            raise Failed("the API says cat, after training the model said dog")
        return 8

    def add(self, record: Deployment) -> None:
        self.records.append(record)


def run(stand: Stand, wanted: Deployment, previous: Deployment | None) -> int:
    return carry_out(wanted, previous, stand, stand.put)  # type: ignore[arg-type]


def test_what_serves_is_recorded_once_it_was_tried() -> None:
    stand = Stand()
    assert run(stand, deployment(2), deployment(1)) == 8
    assert stand.applied == [2]
    assert stand.records == [deployment(2)]


def test_a_bad_release_goes_back_to_the_one_before_and_says_so() -> None:
    stand = Stand(bad={2})
    with pytest.raises(Failed, match=r"release 2 failed: .*; release 1 serves again"):
        run(stand, deployment(2), deployment(1))
    assert stand.applied == [2, 1]
    assert [(each.release, each.outcome) for each in stand.records] == [(2, "failed")]
    assert Failed.exit_code == 3


def test_a_first_release_has_nothing_to_go_back_to() -> None:
    stand = Stand(bad={1})
    with pytest.raises(Failed, match="no release before it"):
        run(stand, deployment(1), None)
    assert stand.applied == [1]


def test_a_failure_of_the_way_back_is_not_hidden() -> None:
    stand = Stand(bad={1, 2})
    with pytest.raises(Failed, match="going back to release 1 failed too"):
        run(stand, deployment(2), deployment(1))


@pytest.mark.parametrize(
    "trouble",
    [
        UserError("endpoint dogs is still RollingBack"),
        EndpointConnectionError(endpoint_url="https://sagemaker"),
    ],
)
def test_nor_is_it_when_the_way_back_cannot_even_begin(trouble: Exception) -> None:
    class Stuck(Stand):
        def put(self, wanted: Deployment) -> int:
            if self.applied:
                raise trouble
            return super().put(wanted)

    stand = Stuck(bad={2})
    with pytest.raises(Failed, match=r"release 2 failed: .*going back to release 1 failed too"):
        run(stand, deployment(2), deployment(1))
    assert [(each.release, each.outcome) for each in stand.records] == [(2, "failed")]


def test_a_network_that_is_gone_does_not_hide_what_has_failed() -> None:
    class Gone(Stand):
        def add(self, record: Deployment) -> None:
            raise EndpointConnectionError(endpoint_url=f"https://s3/{record.release}")

    with pytest.raises(Failed, match=r"release 2 failed: the API says .*could not be recorded"):
        run(Gone(bad={2}), deployment(2), deployment(1))


def test_a_release_that_serves_already_and_fails_is_not_replaced_by_itself() -> None:
    stand = Stand(bad={1})
    with pytest.raises(Failed, match="no release before it"):
        run(stand, deployment(1), deployment(1))
    assert stand.applied == [1]


def test_each_rollback_goes_one_further_back() -> None:
    records = [deployment(1), deployment(2), deployment(3, outcome="failed"), deployment(4)]
    assert [each.release for each in line_of(records)] == [1, 2, 4]
    assert before(line_of(records)).release == 2
    records.append(deployment(2, kind="rollback"))
    assert before(line_of(records)).release == 1
    records.append(deployment(1, kind="rollback"))
    with pytest.raises(UserError, match="release 1 is the first one"):
        before(line_of(records))
    with pytest.raises(UserError, match="nothing was deployed"):
        before([])


def test_what_really_serves_ends_the_line_whatever_was_recorded() -> None:
    line = [deployment(1), deployment(2), deployment(3)]
    killed_deploy, killed_rollback = ending_in(deployment(4), line), ending_in(deployment(2), line)
    assert [each.release for each in killed_deploy] == [1, 2, 3, 4]
    assert before(killed_deploy).release == 3
    assert [each.release for each in killed_rollback] == [1, 2]
    assert before(killed_rollback).release == 1
    assert ending_in(deployment(3), line) == line
    with pytest.raises(UserError, match="nothing was deployed with `kennel deploy`"):
        before(ending_in(deployment(0), []))


def test_deploying_the_same_again_adds_nothing_to_go_back_to() -> None:
    assert [each.release for each in line_of([deployment(1), deployment(2), deployment(2)])] == [
        1,
        2,
    ]


RELEASE = {
    "manifest": {"version": "0a1b"},
    "examples": [
        {"name": f"test/dog/{n}.png", "label": "dog", "picture": base64.b64encode(b"x").decode()}
        for n in range(3)
    ],
}
RIGHT = {"model": {"version": "0a1b"}, "predictions": [{"label": "dog", "probability": 0.9}]}


@contextmanager
def api(*answers: tuple[int, Any]) -> Iterator[tuple[Outputs, list[dict[str, str]]]]:
    """A real API that gives these answers in turn, the last one for ever."""
    left, asked = list(answers), list[dict[str, str]]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append({name.lower(): value for name, value in self.headers.items()})
            status, answer = left.pop(0) if len(left) > 1 else left[0]
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1/predict"
    try:
        yield Outputs("service", {"predict_url": url, "api_key": "k3y"}), asked
    finally:
        server.shutdown()
        server.server_close()


def check(service: Outputs, patience: float = 60) -> int:
    return smoke.check(service, RELEASE, patience=patience, sleep=lambda _: None)


def test_every_picture_is_sent_as_a_user_would_send_it() -> None:
    with api((200, RIGHT)) as (service, asked):
        assert check(service) == 3
    assert len(asked) == 3
    assert asked[0]["content-type"] == "image/png"
    assert asked[0]["x-api-key"] == "k3y"


def test_a_new_stage_that_does_not_know_its_key_yet_gets_time() -> None:
    with api((403, {"message": "Forbidden"}), (503, {}), (200, RIGHT)) as (service, asked):
        assert check(service) == 3
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, RIGHT | {"model": {"version": "old"}}), "serves model version old"),
        ((200, RIGHT | {"predictions": [{"label": "cat"}]}), "the API says cat"),
        ((400, {"detail": "no picture"}), "answered 400 to test/dog/0.png"),
        ((503, {"detail": "busy"}), "answered 503"),
        ((200, b"<html>maintenance</html>"), "not as a classifier does: '<html>maintenance"),
        ((200, b"\xff\xfe"), "not as a classifier does"),
        ((200, []), "not as a classifier does"),
        ((200, {"predictions": RIGHT["predictions"]}), "not as a classifier does"),
        ((200, {"model": RIGHT["model"]}), "not as a classifier does"),
        ((200, RIGHT | {"predictions": []}), "not as a classifier does"),
        ((200, RIGHT | {"predictions": ["dog"]}), "not as a classifier does"),
    ],
)
def test_a_wrong_answer_is_a_failure_that_names_it(answer: tuple[int, Any], said: str) -> None:
    with api(answer) as (service, _), pytest.raises(Failed, match=said) as caught:
        check(service, patience=0)
    assert "k3y" not in str(caught.value)


def test_an_api_that_is_not_there_is_a_failure() -> None:
    with api((200, RIGHT)) as (service, _):
        pass
    with pytest.raises(Failed, match="cannot be reached"):
        check(service, patience=0)


@pytest.mark.parametrize("answer", [b"<html>maintenance</html>", b"\xff\xfe", []])
def test_who_asks_for_many_pictures_hears_of_an_answer_that_is_none(answer: Any) -> None:
    with api((200, answer)) as (service, _):
        classifier = Api(service["predict_url"], "k3y", top=1, connections=1)
        with pytest.raises(Failed, match="does not answer as a classifier does"):
            classifier.once(Picture("dog.jpg", b"x"))


def test_outputs_that_are_gone_after_an_apply_are_a_failure_that_goes_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps = list[str]()
    monkeypatch.setattr(deploy, "content_of", lambda *_: RELEASE)
    monkeypatch.setattr(stack, "settle", lambda _: steps.append("settled"))
    monkeypatch.setattr(stack, "apply", lambda *_: steps.append("applied"))
    monkeypatch.setenv("KENNEL_OUTPUTS", str(tmp_path / "outputs.json"))
    values = {"kms_key_arn": "key", "bucket_names": {"data": "dogs-data"}}
    with pytest.raises(Failed, match=r"outputs.json cannot be read"):
        deploy.applied(deployment(2), Outputs("platform", values), "dev")
    assert steps == ["settled", "applied"]
