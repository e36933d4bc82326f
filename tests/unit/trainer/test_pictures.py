"""Streamed pictures: what is asked for comes, expected or not, and little is ahead of it."""

import threading

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


def test_a_containers_memory_is_its_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from trainer import pictures

    limit = tmp_path_factory.mktemp("cgroup") / "memory.max"
    monkeypatch.setattr(pictures, "CGROUP", limit)
    whole = pictures.machine_memory()
    limit.write_text("max\n")
    assert pictures.machine_memory() == whole
    limit.write_text("1000000\n")
    assert pictures.machine_memory() == 1_000_000
