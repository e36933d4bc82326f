"""How the processes of one machine meet, and how they share its processors."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from trainer import paths
from trainer.config import Config
from trainer.errors import TrainingError
from trainer.places import Place

if TYPE_CHECKING:
    from torch.distributed import TCPStore  # type: ignore[attr-defined] # not in its __all__

    from trainer.launch import LoopbackRendezvous


def test_each_start_meets_where_nothing_is_left_of_the_one_before() -> None:
    """Else a process could take the address of a dead one for that of its successor."""
    from torch.distributed.elastic.rendezvous import RendezvousParameters

    from trainer import launch

    meeting = launch.meet(RendezvousParameters(launch.BACKEND, "", "run", 1, 1))
    before = store_of_workers(meeting)
    before.set("address of process 1", "of the dead")
    assert before.check(["address of process 1"])
    assert not store_of_workers(meeting).check(["address of process 1"])


def store_of_workers(meeting: "LoopbackRendezvous") -> "TCPStore":
    from torch.distributed import TCPStore  # type: ignore[attr-defined] # not in its __all__

    place = meeting.next_rendezvous().bootstrap_store_info
    assert place.master_addr == "127.0.0.1"
    return TCPStore(place.master_addr, place.master_port, is_master=False)


def test_processes_share_the_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer import launch

    seen = tmp_path / "seen"

    def run(_: Config) -> None:
        import torch

        with seen.open("a") as file:
            file.write(f"{torch.get_num_threads()}\n")

    monkeypatch.setattr("trainer.train.run", run)
    monkeypatch.setattr(paths, "HYPERPARAMETERS", tmp_path / "none.json")
    given = {name: value for name, value in os.environ.items() if "OMP_" not in name}
    monkeypatch.setattr(os, "environ", given)
    assert launch.run_workers(Config(processes=2), Place())
    threads = max(1, (os.cpu_count() or 1) // 2)
    assert seen.read_text().splitlines() == [str(threads)] * 2


AT_TORCH = """
import os, sys

class Finder:
    def find_spec(name, path=None, target=None):
        if name == "torch":
            sys.exit(os.environ.get("GOMP_SPINCOUNT"))

sys.meta_path.insert(0, Finder)
from trainer.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("launcher", [{}, {"TORCHELASTIC_RUN_ID": "of-torchrun"}])
def test_threads_wait_without_spinning_long_which_torch_hears_when_it_is_loaded(
    launcher: dict[str, str], tmp_path: Path
) -> None:
    """Threads that spin made training beside other work ten times as slow."""
    (tmp_path / "input/config").mkdir(parents=True)
    (tmp_path / "input/config/hyperparameters.json").write_text("{}")
    kept = {name: value for name, value in os.environ.items() if "OMP_" not in name}
    done = subprocess.run(
        [sys.executable, "-c", AT_TORCH, "train"],
        env=kept | launcher | {"KENNEL_ML_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "1000\n"


def test_more_processes_than_gpus_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer import launch

    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [launch.worker_count(wanted) for wanted in (0, 1, 2)] == [2, 1, 2]
    with pytest.raises(TrainingError, match="processes is 3, but this machine has 2 GPUs"):
        launch.worker_count(3)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert [launch.worker_count(wanted) for wanted in (0, 3)] == [1, 3]
