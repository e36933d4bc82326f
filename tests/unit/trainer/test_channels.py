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
    (tmp_path / "training").mkdir()
    channels.check(write(tmp_path, {"training": {"TrainingInputMode": mode}}), tmp_path)


def test_a_host_may_have_got_no_object_of_a_channel_that_was_dealt_out(tmp_path: Path) -> None:
    content = {"training": {"S3DistributionType": "ShardedByS3Key", "TrainingInputMode": "File"}}
    channels.check(write(tmp_path, content), tmp_path)


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
