"""Memory or streaming: decided from the set and the machine, and refused where it cannot be."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from trainer.errors import TrainingError

if TYPE_CHECKING:
    from trainer.world import World


def test_a_set_larger_than_its_share_of_memory_is_streamed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from trainer import share
    from trainer.world import World

    monkeypatch.setattr(World, "gather", lambda _, value: [value, 2 * value])
    monkeypatch.setattr(share, "machine_memory", lambda: 10_000_000)
    world = World(rank=1, size=2, local_rank=0, local_size=1, node=0)
    # 15 % of this machine's memory, 30 % of the other's.
    assert not share.too_large(1_500_000, 100, 0.31, world)
    assert share.too_large(1_500_000, 100, 0.29, world)


def names(split: str, count: int) -> list[str]:
    return [f"{split}/a/{number:03}.jpg" for number in range(count)]


def test_what_passes_through_a_machine_that_deals_out_its_pictures_is_counted() -> None:
    from trainer import data, share

    splits = {"train": names("train", 100), "valid": names("valid", 20), "test": names("test", 10)}
    dataset = data.Dataset(["a"], splits)
    everyones = {name: [0, 1] for each in splits.values() for name in each}
    assert share.most_held(dataset, everyones, [0], 2) == 50 + 10 + 10
    assert share.most_held(dataset, everyones, [1], 2) == 50 + 10
    assert share.most_held(dataset, everyones, [0, 1], 2) == 130
    firsts = {name: [0] for name in everyones}
    # It keeps 50, has read all, and has a copy of 50 on its way; the other gets a parcel of 50.
    assert share.most_held(dataset, firsts, [0], 2) == 50 + 100 + 50
    assert share.most_held(dataset, firsts, [1], 2) == 50 + 50


def test_a_host_that_cannot_read_what_is_to_be_streamed_is_told_what_to_change() -> None:
    from trainer import share
    from trainer.world import World

    world = World(rank=0, size=2, local_rank=0, local_size=1, node=0)
    share.check_all_can_read({"train/a/1.jpg": [0, 1]}, world)
    with pytest.raises(TrainingError, match=r"only some hosts have train/a/2\.jpg: give every"):
        share.check_all_can_read({"train/a/1.jpg": [0, 1], "train/a/2.jpg": [1]}, world)


def test_what_may_not_be_meant_is_told(
    alone: "World", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that are no pictures by their names; a host without pictures."""
    from trainer import data, share

    for split in data.SPLITS:
        for name in ("a/1.jpg", "b/1.jpg", "b/.DS_Store", "b/notes.txt"):
            path = tmp_path / "training" / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    share.open_library(alone, data.find(tmp_path), 32, 0.5, tmp_path)
    said = capsys.readouterr().out
    assert "6 files in class folders are no pictures (.jpeg, .jpg, .png, .webp), left out: " in said
    assert "test/b/.DS_Store, test/b/notes.txt, train/b/.DS_Store" in said
    share.tell(alone, {0: ("algo-1", {"train/a/1.jpg": 9}, [], []), 1: ("algo-2", {}, [], [])})
    assert "host algo-2 got no pictures" in capsys.readouterr().out


def test_hosts_with_other_files_of_the_same_name_are_told() -> None:
    from trainer import share

    one, other = {"train/a/1.jpg": 9, "train/a/2.jpg": 7}, {"train/a/2.jpg": 7, "train/b/1.jpg": 3}
    by_node: dict[int, share.Said] = {0: ("algo-1", one, [], []), 1: ("algo-2", other, [], [])}
    assert share.sizes_on_all(by_node) == one | other
    by_node[2] = ("algo-3", {"train/b/1.jpg": 4}, [], [])
    with pytest.raises(
        TrainingError, match=r"train/b/1\.jpg has 3 bytes on host algo-2 and 4 on host algo-3: give"
    ):
        share.sizes_on_all(by_node)
