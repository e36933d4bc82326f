"""Memory or streaming: decided from the set and the machine, and refused where it cannot be."""

import pytest

from trainer.errors import TrainingError


def test_a_set_larger_than_its_share_of_memory_is_streamed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from trainer import share
    from trainer.world import World

    monkeypatch.setattr(World, "gather", lambda _, value: [value, 2 * value])
    monkeypatch.setattr(share, "machine_memory", lambda: 10_000_000)
    world = World(rank=1, size=2, local_rank=0, local_size=1, node=0)
    # 50 of 100 pictures of 100 x 100 pixels: 15 % of this machine's memory, 30 % of the other's.
    assert not share.too_large(100, 100, 0.31, world)
    assert share.too_large(100, 100, 0.29, world)


def test_a_host_that_cannot_read_what_is_to_be_streamed_is_told_what_to_change() -> None:
    from trainer import share
    from trainer.world import World

    world = World(rank=0, size=2, local_rank=0, local_size=1, node=0)
    share.check_all_can_read({"train/a/1.jpg": [0, 1]}, world)
    with pytest.raises(TrainingError, match=r"only some hosts have train/a/2\.jpg: give every"):
        share.check_all_can_read({"train/a/1.jpg": [0, 1], "train/a/2.jpg": [1]}, world)
