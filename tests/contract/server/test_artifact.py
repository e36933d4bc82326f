"""The artifact between trainer and server: as the schema says, and refused when it is not whole."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from server import artifact, pictures
from server.errors import ArtifactError
from tests.conftest import ROOT
from trainer import data


def manifest_of(root: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((root / "model/manifest.json").read_text())
    return content


def test_what_the_trainer_writes_is_what_the_schema_says(trained: Path) -> None:
    schema = json.loads((ROOT / "docs/contracts/manifest.schema.json").read_text())
    jsonschema.validate(manifest_of(trained), schema)


def test_what_the_trainer_writes_the_server_takes(trained: Path) -> None:
    loaded = artifact.load(trained / "model")
    assert loaded.name == "small"
    assert loaded.classes == sorted(loaded.classes)
    assert (loaded.size, loaded.resize) == (32, 36)


def test_nothing_in_an_artifact_is_a_pickle(trained: Path) -> None:
    for path in (trained / "model").rglob("*.*"):
        assert path.suffix in {".json", ".safetensors", ".xml", ".bin"}
        start = path.read_bytes()[:4]
        assert not start.startswith((b"\x80", b"PK"))


def add(folder: Path) -> None:
    (folder / "inference.py").write_text("print()")


def remove(folder: Path) -> None:
    (folder / "openvino/model.bin").unlink()


def alter(folder: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")


def link(folder: Path) -> None:
    path = folder / "openvino/model.xml"
    path.rename(folder.parent / "model.xml")
    path.symlink_to(folder.parent / "model.xml")


def age(folder: Path) -> None:
    change(folder, schema_version=2)


def empty(folder: Path) -> None:
    (folder / "manifest.json").write_text("{}")


def garble(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def delete(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def unname(folder: Path) -> None:
    change(folder, engines=[{"engine": "openvino", "precision": "fp32", "file": "../other.xml"}])


def change(folder: Path, **fields: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (add, "inference.py is not in the manifest"),
        (remove, "model.bin is missing"),
        (alter, "model.safetensors was altered"),
        (link, "model.xml is not a regular file"),
        (age, "has schema version 2; this server reads 1"),
        (empty, "manifest.json lacks a field or holds a wrong one: 'schema_version'"),
        (garble, "manifest.json is not JSON"),
        (delete, "manifest.json is missing"),
        (unname, "names the graph ../other.xml without a digest"),
    ],
)
def test_a_damaged_artifact_is_refused_by_name(
    model: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(model / "model")
    with pytest.raises(ArtifactError) as error:
        artifact.load(model / "model")
    assert message in str(error.value)


def test_trainer_and_server_see_the_same_pixels(pictures_of_all_kinds: list[Path]) -> None:
    """The golden test of the input rule: every kind of file, both sides, the same but for rounding:
    the trainer resizes the whole picture, the server what it keeps."""
    for path in pictures_of_all_kinds:
        for resize, size in ((36, 32), (64, 64), (73, 50), (160, 128)):
            edge = (resize - size) // 2
            trained_on = data.load(path, resize)[edge : edge + size, edge : edge + size]
            served = pictures.decode(path.read_bytes(), resize, size)
            difference = np.abs(trained_on.astype(int) - served)
            assert difference.max() <= 2, f"{path} {resize} {size}"
            assert difference.mean() < 0.5, f"{path} {resize} {size}"  # where all is a tie


@pytest.fixture
def pictures_of_all_kinds(pictures: Path, tmp_path: Path) -> list[Path]:
    """The sample's kinds, and modes that it lacks."""
    grey = Image.effect_mandelbrot((120, 90), (-2, -1.5, 1, 1.5), 50)
    for mode in ("RGBA", "LA", "P", "1"):
        grey.convert(mode).save(tmp_path / f"{mode}.png")
    grey.convert("I").convert("I;16").save(tmp_path / "16-bit.png")
    return [*sorted(pictures.glob("train/*/*")), *sorted(tmp_path.glob("*.png"))]
