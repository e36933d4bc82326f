"""Streamed pictures: what is asked for comes, expected or not, and little is ahead of it."""

import threading
from pathlib import Path

import pytest


def test_rows_come_as_asked_for_and_the_pool_stays_ahead_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    from trainer import pictures

    monkeypatch.setattr(pictures, "AHEAD", 5 * 3 * 4 * 4)  # five pictures
    begun: list[int] = []
    lock = threading.Lock()

    def decode(row: int) -> torch.Tensor:
        with lock:
            begun.append(row)
        return torch.full((4, 4, 3), row, dtype=torch.uint8)

    streamed = pictures.Streamed(decode, count=40, side=4, threads=2)
    order = torch.randperm(40)
    streamed.expect(order)
    taken = 0
    for rows in order.split(3):
        assert streamed[rows][:, 0, 0, 0].tolist() == rows.tolist()
        taken += len(rows)
        assert len(begun) <= taken + 5
    assert sorted(begun) == list(range(40))  # each once
    assert streamed[torch.tensor([7, 7, 1])][:, 0, 0, 0].tolist() == [7, 7, 1]
    assert streamed[slice(38, 99)][:, 0, 0, 0].tolist() == [38, 39]


def test_a_picture_that_cannot_be_read_ends_the_step_by_name() -> None:
    import torch

    from trainer.errors import TrainingError
    from trainer.pictures import Streamed

    def decode(row: int) -> torch.Tensor:
        raise TrainingError(f"picture {row} cannot be read")

    streamed = Streamed(decode, count=4, side=4, threads=1)
    streamed.expect(torch.arange(4))
    with pytest.raises(TrainingError, match="picture 2 cannot be read"):
        streamed[torch.tensor([2])]


def test_what_waits_for_its_turn_is_not_decoded_once_the_run_ends() -> None:
    import torch

    from trainer.pictures import Streamed

    begun: list[int] = []
    end = threading.Event()

    def decode(row: int) -> torch.Tensor:
        begun.append(row)
        end.wait(60)
        return torch.zeros(4, 4, 3, dtype=torch.uint8)

    streamed = Streamed(decode, count=40, side=4, threads=2)
    streamed.expect(torch.arange(40))
    streamed.close()
    end.set()
    streamed.pool.shutdown(wait=True)  # as Python does when it ends
    assert len(begun) <= 2


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
@pytest.mark.parametrize("none", ["max", "9223372036854771712"])
def test_a_containers_memory_is_its_limit_in_either_kind_of_kernel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, none: str
) -> None:
    from trainer import pictures

    folders = [path.relative_to("/sys/fs/cgroup") for path in pictures.CGROUPS]
    monkeypatch.setattr(pictures, "CGROUPS", [tmp_path / folder for folder in folders])
    whole = pictures.machine_memory()
    limit = tmp_path / name
    limit.parent.mkdir(exist_ok=True)
    limit.write_text(f"{none}\n")
    assert pictures.machine_memory() == whole
    limit.write_text("1000000\n")
    assert pictures.machine_memory() == 1_000_000
