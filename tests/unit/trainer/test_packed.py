"""`kennel data pack` and `check`, and the trainer that reads what was packed."""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from kennel.data import data as command
from kennel.errors import UserError
from kennel.pack import prepare
from trainer import data
from trainer.errors import TrainingError


def kennel(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(each) for each in arguments])


@pytest.fixture(scope="module")
def packed(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    channels = tmp_path_factory.mktemp("packed")
    result = kennel("pack", pictures, channels / "training", "--short-side", 64, "--pictures", 20)
    assert result.exit_code == 0, result.output
    assert "packed 72 pictures in 5 tar files" in result.output
    return channels


def test_tar_files_hold_near_equal_numbers_of_upright_small_pictures(packed: Path) -> None:
    index = json.loads((packed / "training/index.json").read_text())
    shards = index["splits"]["train"]["shards"]
    assert [each["pictures"] for each in shards] == [16, 16, 16]
    assert len(index["classes"]) == 3
    for path in (packed / "training").glob("*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                content = tar.extractfile(member)
                assert content is not None
                with Image.open(content) as picture:
                    assert picture.mode == "RGB"
                    assert min(picture.size) == 64
                    assert 0x0112 not in picture.getexif()


def test_the_trainer_finds_the_same_set_in_it_and_nearly_the_same_pixels(
    pictures: Path, packed: Path
) -> None:
    found = data.find(packed)
    dataset = data.survey(dict.fromkeys(found.pictures, 0), set(found.folders), packed)
    data.keep_promise(found.promised, dataset, packed)
    assert {split: len(names) for split, names in dataset.splits.items()} == {
        "train": 48,
        "valid": 12,
        "test": 12,
    }
    for name, source in found.pictures.items():
        original = pictures / (name if (pictures / name).exists() else name.removesuffix(".jpg"))
        seen = data.decode(source.read(), 36, name).astype(int)
        assert np.abs(seen - data.load(original, 36).astype(int)).mean() < 15, name


def test_packed_splits_may_be_channels_of_their_own(packed: Path, tmp_path: Path) -> None:
    for split in data.SPLITS:
        (tmp_path / split).mkdir()
        shutil.copy(packed / "training/index.json", tmp_path / split)
        for shard in (packed / "training").glob(f"{split}-*.tar"):
            shutil.copy(shard, tmp_path / split)
    apart, together = data.find(tmp_path), data.find(packed)
    assert len(apart.pictures) == 72
    assert {n: each.read() for n, each in apart.pictures.items()} == {
        n: each.read() for n, each in together.pictures.items()
    }
    assert (set(apart.folders), apart.promised) == (set(together.folders), together.promised)


def test_a_small_upright_picture_goes_in_as_it_is(pictures: Path, tmp_path: Path) -> None:
    assert kennel("pack", pictures, tmp_path / "out", "--short-side", 5000).exit_code == 0
    with tarfile.open(tmp_path / "out/test-00000.tar") as tar:
        for member in tar:
            path = pictures / member.name
            if path.suffix == ".webp":
                content = tar.extractfile(member)
                assert content is not None
                assert content.read() == path.read_bytes()


def test_packing_twice_gives_the_same_bytes(pictures: Path, packed: Path, tmp_path: Path) -> None:
    kennel("pack", pictures, tmp_path / "out", "--short-side", 64, "--pictures", 20)
    index = (tmp_path / "out/index.json").read_bytes()
    assert index == (packed / "training/index.json").read_bytes()


def test_a_missing_tar_file_is_noticed(packed: Path, tmp_path: Path) -> None:
    shutil.copytree(packed / "training", tmp_path / "training")
    (tmp_path / "training/train-00001.tar").unlink()
    found = data.find(tmp_path)
    dataset = data.survey(dict.fromkeys(found.pictures, 0), set(found.folders), tmp_path)
    with pytest.raises(TrainingError, match="promises 48 pictures of train, there are 32"):
        data.keep_promise(found.promised, dataset, tmp_path)


def test_a_torn_tar_file_is_named(packed: Path, tmp_path: Path) -> None:
    shutil.copytree(packed / "training", tmp_path / "training")
    shard = tmp_path / "training/train-00001.tar"
    shard.write_bytes(b"torn" + shard.read_bytes()[:100])
    with pytest.raises(TrainingError, match=r"train-00001\.tar is not a whole tar file"):
        data.find(tmp_path)


def test_a_corrupt_picture_stops_the_packing_by_name(spoilt: Path, tmp_path: Path) -> None:
    victim = min(spoilt.glob("valid/*/*"))
    victim.write_bytes(b"no picture")
    result = kennel("pack", spoilt, tmp_path / "out")
    assert isinstance(result.exception, UserError)
    assert f"{victim.name} cannot be read as a picture" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_file_that_cannot_be_opened_stops_it_by_name_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.jpg cannot be read as a picture: .*No such file"):
        prepare(tmp_path / "gone.jpg", 64)


@pytest.fixture
def spoilt(pictures: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pictures, tmp_path / "set"))


def test_a_good_set_passes_the_check(pictures: Path) -> None:
    result = kennel("check", pictures)
    assert result.exit_code == 0, result.output
    assert "0 findings; fit for training" in result.output


def cut_short(root: Path) -> str:
    victim = min(root.glob("train/*/*.jpg"))
    victim.write_bytes(victim.read_bytes()[:300])
    return f"error: {victim.relative_to(root)}: cannot be read as a picture"


def empty_file(root: Path) -> str:
    victim = min(root.glob("train/*/*.jpg"))
    victim.write_bytes(b"")
    return f"error: {victim.relative_to(root)}: the file is empty"


def dangling_link(root: Path) -> str:
    (min(root.glob("train/*")) / "gone.jpg").symlink_to("away.jpg")
    return "gone.jpg: cannot be read as a picture: [Errno 2] No such file"


def overlap(root: Path) -> str:
    one = min(root.glob("train/*/*.png"))
    copy = root / "test" / one.parent.name / "again.png"
    with Image.open(one) as picture:
        picture.save(copy, compress_level=1)  # other bytes, the same pixels
    return f"{copy.relative_to(root)}: the same picture as {one.relative_to(root)}: the splits"


def empty_class(root: Path) -> str:
    folder = min(root.glob("valid/*"))
    shutil.rmtree(folder)
    return f"error: valid/{folder.name}: the class holds no picture"


def lost_split(root: Path) -> str:
    shutil.rmtree(root / "test")
    return "error: test: the folder is missing"


def strange_class(root: Path) -> str:
    (root / "valid/999.unicorn").mkdir()
    return "error: valid/999.unicorn: train does not have this class"


@pytest.mark.parametrize(
    "damage",
    [cut_short, empty_file, dangling_link, overlap, empty_class, lost_split, strange_class],
)
def test_the_check_names_what_would_spoil_training(
    spoilt: Path, damage: Callable[[Path], str]
) -> None:
    expected = damage(spoilt)
    result = kennel("check", spoilt)
    assert result.exit_code == 1
    assert expected in result.output


def test_what_is_only_worth_a_look_is_a_warning(spoilt: Path) -> None:
    (min(spoilt.glob("train/*")) / "notes.txt").write_text("nice dogs")
    result = kennel("check", spoilt, "--fewest", 17, "--json")
    assert result.exit_code == 0
    answer = json.loads(result.output)
    assert answer["ok"]
    assert [each["level"] for each in answer["findings"]] == ["warning"] * 4


def test_two_pictures_that_would_get_one_name_are_refused(pictures: Path, tmp_path: Path) -> None:
    source = tmp_path / "set"
    shutil.copytree(pictures, source)
    one = next(source.glob("train/*/*.png"))
    shutil.copy(one, one.with_name(f"{one.name}.jpg"))
    result = kennel("pack", source, tmp_path / "packed")
    assert result.exit_code == 1
    assert f"{one.name}.jpg could get the same name" in str(result.exception)
    assert not (tmp_path / "packed").exists()
