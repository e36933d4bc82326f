"""Decoding what strangers send: a picture or a refusal, never a crash."""

import io
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from server.errors import RequestError, TooLarge, Unsupported
from server.pictures import decode


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> bytes:
    data = io.BytesIO()
    picture = Image.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 50).convert(mode)
    picture.save(data, kind)
    return data.getvalue()


SEEDS = [
    encoded("JPEG"),
    encoded("JPEG", "L"),
    encoded("JPEG", "CMYK"),
    encoded("PNG", "P"),
    encoded("PNG", "RGBA"),
    encoded("WEBP"),
]


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=6)), max_size=6),
    cut=st.integers(0, 4000),
)
def test_a_mangled_picture_is_decoded_or_refused(
    seed: bytes, edits: list[tuple[int, bytes]], cut: int
) -> None:
    content = bytearray(seed)
    for place, text in edits:
        content[place % len(content) : place % len(content) + len(text)] = text
    if cut < 1000:
        del content[cut % len(content) :]
    try:
        square = decode(bytes(content), 36, 32)
    except RequestError:
        return
    assert square.shape == (32, 32, 3)
    assert square.dtype == np.uint8


def bomb(width: int, height: int) -> bytes:
    """A tiny PNG that says it is huge."""
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\0\0\0"
    data = b"IDAT" + zlib.compress(bytes(100))
    chunks = b"".join(
        (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
        for chunk in (header, data, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("side", [8_000, 20_000, 65_000])
def test_a_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    with pytest.raises((TooLarge, Unsupported)):
        decode(bomb(side, side), 256, 224)


def test_an_animation_is_refused() -> None:
    data = io.BytesIO()
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    frames[0].save(data, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(Unsupported, match="animated"):
        decode(data.getvalue(), 36, 32)


def test_sixteen_bit_grey_keeps_its_shades() -> None:
    data = io.BytesIO()
    ramp = np.linspace(0, 65535, 64 * 64, dtype=np.uint16).reshape(64, 64)
    Image.fromarray(ramp).save(data, "PNG")
    square = decode(data.getvalue(), 64, 64)
    assert square.min() < 5
    assert 100 < np.median(square) < 155


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_refused_by_their_content(kind: str) -> None:
    with pytest.raises(Unsupported):
        decode(encoded(kind), 36, 32)
