"""Who takes over from instances that end, while others start, hang, or are no longer wanted."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kennel.local.aws.serving.fleet import Variant


class Container:
    """Runs until it is told to end; answers pings once it is healthy."""

    address, log = "http://127.0.0.1:1", Path("none.log")

    def __init__(self, *, healthy: bool) -> None:
        self.healthy = healthy
        self.code: int | None = None

    def exit_code(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.code = 143

    kill = terminate


class Machine:
    """Starts containers, and lends itself as the artifacts that they are given."""

    def __init__(self) -> None:
        self.started: list[Container] = []
        self.healthy, self.full = True, False

    def start(self, _: Any) -> Container:
        from kennel.local.aws.serving.artifacts import Unavailable

        if self.full:
            raise Unavailable("there is no room")
        self.started.append(Container(healthy=self.healthy))
        return self.started[-1]

    def give(self, _: str, __: str, folder: Path) -> None:
        folder.mkdir()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    from kennel.local.aws.serving.instance import Instance

    monkeypatch.setattr(Instance, "pings", lambda self: self.running.healthy)
    return Machine()


@pytest.fixture
def variant(machine: Any, tmp_path: Path) -> "Variant":
    """With two instances."""
    from kennel.local.aws.serving.fleet import Variant
    from kennel.local.aws.serving.instance import Ground
    from kennel.local.aws.serving.specs import VariantSpec

    spec = VariantSpec("live", "model", "serve", "s3://models/model.tar.gz", count=2)
    made = Variant("model", spec, Ground(machine, machine, tmp_path, lambda *_: None))
    made.scale(2, threading.Event())
    return made


def comes(condition: Callable[[], bool]) -> bool:
    from kennel.local.aws.serving.instance import wait_until

    return wait_until(condition, 60, every=0.005)


def test_a_replacement_that_hangs_keeps_no_other_from_coming(
    machine: Machine, variant: "Variant"
) -> None:
    never = threading.Event()
    first, second = machine.started
    machine.healthy = False
    first.terminate()
    variant.replace_dead(never)
    assert comes(lambda: len(machine.started) == 3)
    machine.healthy = True
    second.terminate()
    variant.replace_dead(never)
    assert comes(lambda: variant.current == 1)
    variant.replace_dead(never)  # one serves, one is on its way
    assert len(machine.started) == 4
    machine.started[2].healthy = True
    assert comes(lambda: variant.current == 2)
    variant.stop()


def test_a_replacement_that_is_no_longer_wanted_is_ended(
    machine: Machine, variant: "Variant"
) -> None:
    machine.healthy = False
    machine.started[0].terminate()
    variant.replace_dead(threading.Event())
    assert comes(lambda: len(machine.started) == 3)
    variant.scale(1, threading.Event())
    machine.started[2].healthy = True
    assert comes(lambda: machine.started[2].code is not None)
    assert (variant.current, machine.started[1].code) == (1, None)
    variant.stop()
    assert machine.started[1].code is not None


def test_it_is_tried_again_after_a_while(
    machine: Machine, variant: "Variant", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kennel.local.aws.serving import fleet

    now = 1000.0
    monkeypatch.setattr(fleet, "time", SimpleNamespace(monotonic=lambda: now))
    machine.full = True
    machine.started[0].terminate()
    variant.replace_dead(threading.Event())
    assert comes(lambda: not variant._mending and len(list(tmp_path.iterdir())) == 1)
    machine.full = False
    variant.replace_dead(threading.Event())
    assert not variant._mending  # not at once
    now += fleet.RETRY_SECONDS
    variant.replace_dead(threading.Event())
    assert comes(lambda: variant.current == 2)
    variant.stop()
    assert not list(tmp_path.iterdir())
