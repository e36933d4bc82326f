"""inputdataconfig.json: a channel that cannot be used is named before a picture is read."""

import json
from pathlib import Path

import pytest

from trainer import channels
from trainer.errors import TrainingError


def write(root: Path, content: object) -> Path:
    path = root / "inputdataconfig.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("mode", ["File", "FastFile"])
def test_files_are_read_in_either_mode(tmp_path: Path, mode: str) -> None:
    cats = tmp_path / "training/train/001.cat"
    cats.mkdir(parents=True)
    (cats / "felix.jpg").write_bytes(b"a picture")
    path = write(tmp_path, {"training": {"TrainingInputMode": mode}})
    found = channels.found(path, tmp_path)
    assert {name: each.read() for name, each in found.pictures.items()} == {
        "train/001.cat/felix.jpg": b"a picture"
    }


def test_a_sharded_channel_may_be_empty_on_one_host(tmp_path: Path) -> None:
    channel = {"S3DistributionType": "ShardedByS3Key", "TrainingInputMode": "File"}
    path = write(tmp_path, {"training": channel})
    assert channels.found(path, tmp_path).pictures == {}
    write(tmp_path, {"training": channel | {"S3DistributionType": "FullyReplicated"}})
    with pytest.raises(TrainingError, match="names channel training, but there is no folder"):
        channels.found(path, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"training": {"TrainingInputMode": "Pipe"}}, "channel training in mode Pipe"),
        ({"training": {}}, "names channel training, but there is no folder"),
        ({"trainig": {}}, "unknown channel trainig: did you mean training?"),
        ({"zzz": {}}, "unknown channel zzz: there are training, train, valid, test, pretrained"),
        ("{", "is not JSON"),
        ([], "must hold an object a channel"),
        ({"training": "File"}, "must hold an object a channel"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: object, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(TrainingError) as error:
        channels.check(path, tmp_path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
