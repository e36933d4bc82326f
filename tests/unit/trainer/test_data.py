"""The pictures of a run: every one read once by some process, and a spoilt set named before it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from trainer import data
from trainer.errors import TrainingError


@pytest.mark.parametrize("count", [4, 7, 31, 100])
@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("batch", [1, 8, 50])
def test_each_picture_comes_once_an_epoch_and_all_processes_step_alike(
    count: int, world: int, batch: int
) -> None:
    import torch

    from trainer import pace, views
    from trainer.pictures import Kept
    from trainer.share import Share
    from trainer.world import World

    seen, lengths = [], set()
    for rank in range(world):
        each = World(rank=rank, size=world, local_rank=rank, local_size=world, node=0)
        share = Share(Kept(torch.empty(0)), torch.empty(0), total=count)
        order = views.order(share, each, seed=3, epoch=5)
        bounds = pace.bounds_of(count, batch, each)
        lengths.add(len(bounds.mine))
        seen += [int(row) * world + rank for cut in bounds.mine for row in order[slice(*cut)]]
        assert sum(bounds.over_all) == count
    assert sorted(seen) == list(range(count))
    assert len(lengths) == 1


def test_processes_deal_out_one_order_and_a_pictures_draws_are_the_same_in_each() -> None:
    import torch

    from trainer import views
    from trainer.config import Config
    from trainer.pictures import Kept
    from trainer.share import Share
    from trainer.world import World

    config = Config(size=32, resize=40)

    def of(world: int) -> tuple[list[list[int]], dict[int, list[float]]]:
        orders, draws = [], {}
        for rank in range(world):
            each = World(rank=rank, size=world, local_rank=rank, local_size=world, node=0)
            mine = torch.zeros((len(range(rank, 10, world)), 40, 40, 3), dtype=torch.uint8)
            share = Share(Kept(mine), torch.zeros(len(mine)), total=10)
            rows = views.order(share, each, seed=1, epoch=2).tolist()
            orders.append([row * world + rank for row in rows])
            pictures = views.PictureViews(share, share, each, config)
            pictures.turn(2, torch.arange(0))
            columns = torch.cat([pictures.draws.places, pictures.draws.chances]).T.tolist()
            draws |= {row * world + rank: column for row, column in enumerate(columns)}
        return orders, draws

    (whole,), draws = of(1)
    for world in (2, 3):
        dealt, same = of(world)
        assert dealt == [[n for n in whole if n % world == rank] for rank in range(world)]
        assert same == draws


@pytest.fixture
def spoilt(pictures: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pictures, tmp_path / "set"))


def look(folder: Path) -> data.Dataset:
    channels = folder.parent / "channels"
    channels.mkdir(exist_ok=True)
    if not (channels / "training").exists():
        (channels / "training").symlink_to(folder)
    found = data.find(channels)
    return data.survey(dict.fromkeys(found.pictures, 0), set(found.folders), folder)


def refusal(folder: Path) -> str:
    with pytest.raises(TrainingError) as error:
        look(folder)
    return str(error.value)


def test_a_missing_split_is_named(spoilt: Path) -> None:
    shutil.rmtree(spoilt / "valid")
    assert "lacks the folder valid" in refusal(spoilt)


def test_a_single_class_is_not_enough(spoilt: Path) -> None:
    for path in sorted((spoilt / "train").iterdir())[1:]:
        shutil.rmtree(path)
    assert "holds 1 classes: at least 2 are needed" in refusal(spoilt)


def test_a_class_that_training_does_not_know_is_named(spoilt: Path) -> None:
    (spoilt / "valid/999.unicorn").mkdir()
    assert "999.unicorn is a class that the train folder does not have" in refusal(spoilt)


def test_an_empty_class_is_named(spoilt: Path) -> None:
    folder = min((spoilt / "test").iterdir())
    shutil.rmtree(folder)
    folder.mkdir()
    assert f"test/{folder.name} holds no picture" in refusal(spoilt)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0 cut short"])
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"broken\.jpg cannot be read as a picture"):
        data.load(path, 32)


def test_the_fingerprint_changes_with_a_single_byte_name_or_label() -> None:
    one = data.fingerprint({"train/a/1.jpg": "aa", "train/b/2.jpg": "bb"})
    assert data.fingerprint({"train/b/2.jpg": "bb", "train/a/1.jpg": "aa"}) == one
    assert data.fingerprint({"train/a/1.jpg": "aa", "train/b/2.jpg": "bc"}) != one
    assert data.fingerprint({"train/b/1.jpg": "aa", "train/b/2.jpg": "bb"}) != one


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (9_200, 9_200)).save(path)
    with pytest.raises(TrainingError, match=r"bomb\.png cannot be .* 9200 x 9200 pixels"):
        data.load(path, 32)


def test_a_strip_takes_no_more_memory_than_a_square(tmp_path: Path) -> None:
    path = tmp_path / "strip.png"
    Image.new("RGB", (1, 60_000), (10, 20, 30)).save(path)
    program = (
        "import resource, sys; from pathlib import Path; from trainer import data\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))\n"
        "print(data.load(Path(sys.argv[1]), 256)[128, 128].tolist())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == "[10, 20, 30]", run.stderr


def test_the_splits_may_be_channels_of_their_own(pictures: Path, tmp_path: Path) -> None:
    for split in data.SPLITS:
        (tmp_path / split).symlink_to(pictures / split)
    found = data.find(tmp_path)
    assert found.pictures.keys() == {
        path.relative_to(pictures).as_posix() for path in pictures.glob("*/*/*")
    }
    dataset = data.survey(dict.fromkeys(found.pictures, 0), set(found.folders), tmp_path)
    assert len(dataset.splits["train"]) == 48
