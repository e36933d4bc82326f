"""model.tar.gz: the same bytes for the same files, and taken apart with caution."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from kennel import artifact
from kennel.errors import UserError
from trainer.package import pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "openvino").mkdir(parents=True)
    for name in artifact.ALLOWED:
        (folder / name).write_text(name)
    return folder


def test_the_archive_depends_on_names_and_contents_alone(folder: Path, tmp_path: Path) -> None:
    first = pack(folder, tmp_path / "one.tar.gz")
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    (folder / "manifest.json").chmod(0o600)
    assert pack(folder, tmp_path / "two.tar.gz") == first
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_what_was_packed_comes_out_again(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "model.tar.gz")
    artifact.unpack(tmp_path / "model.tar.gz", tmp_path / "out")
    assert {
        str(path.relative_to(tmp_path / "out")): path.read_text()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    } == {name: name for name in artifact.ALLOWED}


def archive(path: Path, *entries: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for entry in entries:
            entry.size = 1 if entry.isreg() else 0
            tar.addfile(entry, io.BytesIO(b"x"))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@pytest.mark.parametrize(
    "bad",
    [
        entry("../manifest.json"),
        entry("/etc/passwd"),
        entry("model.pkl"),
        entry("code/inference.py"),
        entry("manifest.json", tarfile.SYMTYPE, "/etc/passwd"),
        entry("manifest.json", tarfile.LNKTYPE, "/etc/passwd"),
        entry("openvino/model.bin", tarfile.FIFOTYPE),
        entry("openvino", tarfile.DIRTYPE),
    ],
    ids=lambda entry: f"{entry.name}-{entry.type.decode()}",
)
def test_an_entry_that_no_artifact_has_is_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    path = archive(tmp_path / "bad.tar.gz", bad)
    with pytest.raises(UserError, match="which no model artifact has"):
        artifact.unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "bad.tar.gz", entry("manifest.json"), entry("manifest.json"))
    with pytest.raises(UserError, match="which no model artifact has"):
        artifact.unpack(path, tmp_path / "out")


def test_an_archive_cut_short_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    pack(folder, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match="is not a whole"):
        artifact.unpack(path, tmp_path / "out")


def test_an_archive_without_manifest_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "bad.tar.gz", entry("model.safetensors"))
    with pytest.raises(UserError, match="holds no manifest"):
        artifact.unpack(path, tmp_path / "out")
