"""`kennel data push` and `pull` against S3 on loopback."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.command.jobs.relay import relay
from tests.contract.command.push.conftest import BUCKET, REGION, Account, Kennel

MIB = 1024 * 1024


@pytest.fixture
def bucket(account: Account) -> Iterator[Any]:
    """The empty data bucket."""
    s3 = account.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    yield s3
    for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=each["Key"])
    s3.delete_bucket(Bucket=BUCKET)


def listing(s3: Any) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {
        each["Key"]: s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read() for each in found
    }


def files(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def make_packed(root: Path, sizes: dict[str, int]) -> Path:
    """What `kennel data pack` leaves behind, with any bytes for tar files."""
    root.mkdir(parents=True)
    shards = []
    for name, size in sizes.items():
        content = hashlib.shake_256(name.encode()).digest(1000) * (size // 1000 + 1)
        (root / name).write_bytes(content[:size])
        digest = hashlib.sha256(content[:size]).hexdigest()
        shards.append({"file": name, "sha256": digest})
    index = {"format": 1, "splits": {"train": {"shards": shards}}}
    (root / "index.json").write_text(json.dumps(index))
    return root


def run(kennel: Kennel, *arguments: str) -> dict[str, Any]:
    done = kennel("data", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_set_goes_there_and_back_and_only_what_differs_moves(
    kennel: Kennel, bucket: Any, pictures: Path, tmp_path: Path
) -> None:
    mine, theirs = tmp_path / "pets", tmp_path / "theirs"
    shutil.copytree(pictures, mine)
    (mine / "train/notes.txt").write_text("no picture")
    expected = files(pictures)

    assert run(kennel, "push", str(mine))["moved"] == len(expected)
    assert listing(bucket) == {f"pets/{name}": content for name, content in expected.items()}

    changed = min((mine / "train").glob("*/*.jpg"))
    content = bytearray(changed.read_bytes())
    content[15] ^= 1  # JFIF's density: as long as before, and still the same pixels
    changed.write_bytes(content)
    again = run(kennel, "push", str(mine))
    assert (again["moved"], again["same"]) == (1, len(expected) - 1)

    fetched = run(kennel, "pull", str(theirs), "--name", "pets")
    assert fetched["moved"] == len(expected)
    assert files(theirs) | {"train/notes.txt": b"no picture"} == files(mine)
    nothing = run(kennel, "pull", str(theirs), "--name", "pets")
    assert (nothing["moved"], nothing["same"]) == (0, len(expected))


def test_a_broken_set_is_not_sent(
    kennel: Kennel, bucket: Any, pictures: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(pictures, broken)
    spoilt = min((broken / "train").glob("*/*.png"))
    spoilt.write_bytes(b"this is no picture")
    done = kennel("data", "push", str(broken))
    assert done.returncode == 1
    assert f"{spoilt.relative_to(broken)}: cannot be read as a picture" in done.stderr
    assert listing(bucket) == {}


def test_a_packed_set_whose_files_changed_is_not_sent(
    kennel: Kennel, bucket: Any, tmp_path: Path
) -> None:
    root = make_packed(tmp_path / "packed", {"train-00000.tar": 5000, "train-00001.tar": 5000})
    (root / "train-00001.tar").write_bytes(b"other")
    done = kennel("data", "push", str(root))
    assert done.returncode == 1
    assert "train-00001.tar has changed since it was packed" in done.stderr
    assert listing(bucket) == {}


def test_what_else_lies_there_stops_a_push_or_goes(
    kennel: Kennel, bucket: Any, tmp_path: Path
) -> None:
    root = make_packed(tmp_path / "packed", {"train-00000.tar": 5000})
    bucket.put_object(Bucket=BUCKET, Key="packed/train-00009.tar", Body=b"old")
    bucket.put_object(Bucket=BUCKET, Key="packed-too/train.tar", Body=b"another set")
    done = kennel("data", "push", str(root))
    assert done.returncode == 1
    assert "train-00009.tar; training would read them too: --delete removes them" in done.stderr

    planned = run(kennel, "push", str(root), "--delete", "--dry-run")
    assert (planned["moved"], planned["deleted"]) == (2, 1)
    assert len(listing(bucket)) == 2
    assert run(kennel, "push", str(root), "--delete")["deleted"] == 1
    assert listing(bucket).keys() == {
        "packed/index.json",
        "packed/train-00000.tar",
        "packed-too/train.tar",
    }


def test_a_push_that_was_interrupted_goes_on_within_the_file(
    kennel: Kennel, bucket: Any, tmp_path: Path
) -> None:
    """Ctrl-C when the second part of a shard arrives; what has arrived stays there."""
    from moto.s3.responses import S3Response

    root = make_packed(tmp_path / "large", {"train-00000.tar": 150 * MIB})
    numbers: list[int] = []
    reached, interrupted = threading.Event(), threading.Event()
    given = S3Response.upload_part

    def counted(self: S3Response) -> Any:
        numbers.append(int(self._get_param("partNumber")))
        if len(numbers) >= 2:
            reached.set()
            interrupted.wait(120)
        return given(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Response, "upload_part", counted)
        process = subprocess.Popen(
            [sys.executable, "-m", "kennel", "data", "push", str(root)],
            cwd=kennel.home,
            env=kennel.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert reached.wait(120)
        os.kill(process.pid, signal.SIGINT)
        interrupted.set()
        _, said = process.communicate(timeout=120)
        assert process.returncode == 130, said
        assert not listing(bucket).keys(), "half a set must not look like one"
        before = set(numbers)
        assert len(before) < 19
        numbers.clear()
        assert run(kennel, "push", str(root))["moved"] == 2
    assert not before & set(numbers)
    assert before | set(numbers) == set(range(1, 20))
    assert run(kennel, "push", str(root))["same"] == 2
    fetched = tmp_path / "fetched"
    assert run(kennel, "pull", str(fetched), "--name", "large")["moved"] == 2
    assert files(fetched) == files(root)


def test_a_network_that_is_lost_within_a_file_is_named_and_what_has_arrived_stays(
    kennel: Kennel, bucket: Any, account: Account, tmp_path: Path
) -> None:
    """The connection is cut after 50 of 80 MiB, and does not come back while the verb runs."""
    root, fetched = make_packed(tmp_path / "set", {"train-00000.tar": 80 * MIB}), tmp_path / "got"
    for verb in (["push", str(root)], ["pull", str(fetched), "--name", "set"]):
        with relay(account.address) as network:
            network.left = 50 * MIB
            lost = kennel("data", *verb, AWS_ENDPOINT_URL=network.address)
        assert lost.returncode == 1
        assert "is it running?" in lost.stderr, "and, of AWS itself: check the network"
        assert "Traceback" not in lost.stderr
        if verb[0] == "push":
            assert not listing(bucket), "half a set must not look like one"
        assert "train-00000.tar" not in files(fetched)
        with relay(account.address) as network:
            network.left = 70 * MIB  # less than the whole
            done = kennel("data", *verb, AWS_ENDPOINT_URL=network.address)
        assert done.returncode == 0, done.stderr
    assert files(fetched) == files(root)


def test_a_pull_goes_on_where_it_stopped_and_notices_damage(
    kennel: Kennel, bucket: Any, tmp_path: Path
) -> None:
    content = b"0123456789" * 1000
    answer = bucket.put_object(
        Bucket=BUCKET, Key="set/train-00000.tar", Body=content, ChecksumAlgorithm="SHA256"
    )
    version = hashlib.sha256(answer["ETag"].encode()).hexdigest()[:8]
    root = tmp_path / "set"
    root.mkdir()
    partial = root / f".train-00000.tar.{version}.partial"

    partial.write_bytes(b"x" * 4000)
    done = kennel("data", "pull", str(root))
    assert done.returncode == 1
    assert "train-00000.tar arrived damaged: pull again" in done.stderr
    assert files(root) == {}

    partial.write_bytes(content[:4000])
    asked: list[str | None] = []
    from moto.s3.responses import S3Response

    given = S3Response.get_object

    def noted(self: S3Response) -> Any:
        asked.append(self.headers.get("range"))
        return given(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Response, "get_object", noted)
        run(kennel, "pull", str(root))
    assert asked == ["bytes=4000-"]
    assert files(root) == {"train-00000.tar": content}


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "said"),
    [
        (["push", "nowhere"], {}, 1, "there is no folder nowhere"),
        (["push", ".", "--name", "a/b"], {}, 2, "cannot name a set"),
        (["pull", "nothing"], {}, 1, "there is no bucket kennel-dev-data in account 123456789012"),
        (["pull", "x"], {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 1, "is it running?"),
        (["pull", "x"], {"AWS_ACCESS_KEY_ID": ""}, 1, "aws sso login"),
        (["pull", "x"], {"KENNEL_OUTPUTS": "none.json"}, 1, "none.json cannot be read"),
    ],
)
def test_what_hinders_is_named(
    kennel: Kennel, arguments: list[str], settings: dict[str, str], code: int, said: str
) -> None:
    if "AWS_ACCESS_KEY_ID" in settings:
        settings = settings | {"AWS_SECRET_ACCESS_KEY": ""}
    done = kennel("data", *arguments, **settings)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
