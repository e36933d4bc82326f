"""What the function reads in the first bytes of a picture, against what Pillow reads in them."""

import io
import struct

import pytest
from PIL import Image

from invoke import pictures

SIZES = ((1, 1), (3, 500), (640, 480), (1023, 7))
FORMS: dict[str, dict[str, object]] = {
    "jpeg": {"format": "JPEG"},
    "jpeg, progressive": {"format": "JPEG", "progressive": True},
    "jpeg with a comment": {"format": "JPEG", "comment": b"\xff\xc0" * 500},
    "jpeg with restarts": {"format": "JPEG", "restart_marker_rows": 1},
    "jpeg with a profile": {"format": "JPEG", "icc_profile": bytes(range(256)) * 300},
    "png": {"format": "PNG"},
    "webp": {"format": "WEBP"},
    "webp, lossless": {"format": "WEBP", "lossless": True},
    "webp, extended": {"format": "WEBP", "icc_profile": b"x" * 100},
}


def made(size: tuple[int, int], options: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(buffer, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def size_of(content: bytes) -> tuple[int, int]:
    readers = {kind: (magic, size) for magic, kind, size in pictures.FORMATS}
    return readers[pictures.content_type(content)][1](content)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", FORMS)
def test_size_and_type_are_pillows(name: str, size: tuple[int, int]) -> None:
    content = made(size, FORMS[name])
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.size == size
        assert pictures.content_type(content) == f"image/{str(picture.format).lower()}"
    assert size_of(content) == size, name


def test_a_thumbnail_inside_does_not_mislead() -> None:
    thumbnail, buffer = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (16, 12)).save(thumbnail, "JPEG")
    exif = b"Exif\0\0" + thumbnail.getvalue()
    Image.new("RGB", (640, 480)).save(buffer, "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    content = buffer.getvalue()
    assert size_of(content[:2] + segment + content[2:]) == (640, 480)


def test_fill_bytes_between_segments_are_skipped() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48)).save(buffer, "JPEG")
    content = buffer.getvalue()
    assert size_of(content[:2] + b"\xff" * 9 + content[2:]) == (64, 48)
