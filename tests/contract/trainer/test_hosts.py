"""Runs over several hosts; here each is a launcher of its own with its own folders."""

import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import free_port
from tests.contract.trainer.conftest import PATIENCE, Start

pytestmark = pytest.mark.long
MlRoot = Callable[..., Path]
HOSTS = ("127.0.0.1", "127.0.0.2")
FOR_LONG = {"epochs": "1000", "restarts": "1"}


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
    fleet: list[tuple[Path, dict[str, str]]], start: Start, trained: Path, pictures: Path
) -> None:
    """ShardedByS3Key can leave a host without any object: the others share theirs with it. Here
    the splits are channels of their own, in mode FastFile."""
    (empty, _), (full, _) = fleet
    inputs = {"TrainingInputMode": "FastFile", "S3DistributionType": "ShardedByS3Key"}
    for root, _ in fleet:
        (root / "input/data/training").unlink()
        path = root / "input/config/inputdataconfig.json"
        path.write_text(json.dumps(dict.fromkeys(("train", "valid", "test"), inputs)))
    for split in ("train", "valid", "test"):
        (full / "input/data" / split).symlink_to(pictures / split)
    runs = [start(root, **variables) for root, variables in fleet]
    for run in runs:
        assert run.end() == 0, run.text()
    assert "host 127.0.0.1 got no pictures" in runs[0].text()
    assert not (full / "model").exists()  # the first host writes the result
    mine, theirs = (
        json.loads((root / "model/manifest.json").read_text())["files"] for root in (empty, trained)
    )
    # The same bits as two processes of one machine come to, which have made int8 of them as well.
    assert mine.items() <= theirs.items()
    assert len(mine) == 3


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


@pytest.mark.parametrize("told", [0, 1])
def test_sigterm_to_one_host_ends_all_of_them_soon(
    fleet: list[tuple[Path, dict[str, str]]], start: Start, told: int
) -> None:
    """As when EC2 takes one node back: the others would cost money while they wait for it."""
    for root, _ in fleet:
        path = root / "input/config/hyperparameters.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | FOR_LONG))
    runs = [start(root, **variables) for root, variables in fleet]
    runs[0].until("event=epoch epoch=1 ")
    began = time.monotonic()
    runs[told].process.send_signal(signal.SIGTERM)
    for run in runs:
        assert run.end() == 143, run.text()
    assert time.monotonic() - began < PATIENCE / 2
    assert "event=stopped step=" in runs[0].text()
    assert not any((root / "output/failure").exists() for root, _ in fleet)


@pytest.mark.parametrize(
    ("dies", "message"),
    [
        (1, "there is no sign of host 127.0.0.2: start all hosts again"),
        (0, "host 127.0.0.1, where all hosts meet at port {port}, is gone or out of reach"),
    ],
)
def test_when_a_host_dies_for_good_the_other_ends_and_names_it(
    fleet: list[tuple[Path, dict[str, str]]], start: Start, dies: int, message: str
) -> None:
    for root, _ in fleet:
        path = root / "input/config/hyperparameters.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | FOR_LONG))
    soon = "from trainer import launch; launch.MEETING = 20"
    runs = [start(root, soon, **variables) for root, variables in fleet]
    runs[0].until("event=epoch epoch=1 ")
    runs[dies].kill()
    left = runs[1 - dies]
    assert left.end() == 1, left.text()
    reason = (left.root / "output/failure").read_text()
    assert message.format(port=fleet[0][1]["KENNEL_PORT"]) in reason
    assert "the run goes on from its last checkpoint" in reason
