"""Runs over several hosts; here each is a launcher of its own with its own folders."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import free_port
from tests.contract.trainer.conftest import Start

MlRoot = Callable[..., Path]
HOSTS = ("127.0.0.1", "127.0.0.2")


@pytest.fixture
def fleet(ml_root: MlRoot) -> list[tuple[Path, dict[str, str]]]:
    """The folders and the variables of two hosts with a process each."""
    port = str(free_port())
    return [
        (
            ml_root(processes="1", restarts="0"),
            {
                "KENNEL_HOSTS": ",".join(HOSTS),
                "KENNEL_HOST_RANK": str(index),
                "KENNEL_INTERFACE": "lo",
                "KENNEL_PORT": port,
                "OMP_NUM_THREADS": "1",
            },
        )
        for index in range(len(HOSTS))
    ]


def test_where_the_files_lie_changes_nothing_even_with_a_host_that_has_none(
    fleet: list[tuple[Path, dict[str, str]]], start: Start, trained: Path
) -> None:
    """ShardedByS3Key can leave a host without any object: the others share theirs with it."""
    (empty, _), (full, _) = fleet
    (empty / "input/data/training").unlink()
    runs = [start(root, **variables) for root, variables in fleet]
    for run in runs:
        assert run.end() == 0, run.text()
    assert not (full / "model").exists()  # the first host writes the result
    manifest = json.loads((empty / "model/manifest.json").read_text())
    # The same bits as two processes of one machine come to.
    assert manifest["files"] == json.loads((trained / "model/manifest.json").read_text())["files"]


def test_a_fault_of_one_host_is_told_by_all(
    fleet: list[tuple[Path, dict[str, str]]], start: Start, tmp_path: Path
) -> None:
    root = fleet[1][0]
    data = root / "input/data/training"
    copy = shutil.copytree(data, tmp_path / "set")
    data.unlink()
    data.symlink_to(copy)
    victim = max(copy.glob("train/*/*.png"))
    victim.write_bytes(b"")
    # The other host does not have it: it is for this one to read.
    other = fleet[0][0] / "input/data/training"
    other.unlink()
    shutil.copytree(copy, other)
    (other / victim.relative_to(copy)).unlink()
    runs = [start(each, **variables) for each, variables in fleet]
    for run in runs:
        assert run.end() == 1, run.text()
        assert f"{victim.name} cannot be read" in (run.root / "output/failure").read_text()


def test_when_a_host_dies_the_other_ends_with_a_reason(
    fleet: list[tuple[Path, dict[str, str]]], start: Start
) -> None:
    for root, _ in fleet:
        path = root / "input/config/hyperparameters.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"epochs": "1000"}))
    first, second = (start(root, **variables) for root, variables in fleet)
    first.until("event=epoch epoch=1 ")
    second.kill()
    assert first.end() == 1, first.text()
    assert (first.root / "output/failure").read_text()
