"""Pictures that are nearly right: endless, and the same for the same seed.

Seeds of every kind that the decoder takes are cut, spliced, repeated and overwritten, with the
numbers that parsers stumble over. Checksums of PNG are mended afterwards, so that what was changed
gets past the first check and into the decoder.
"""

import io
import random
import zlib
from collections.abc import Iterator

from PIL import Image

EDGES = (b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1")
PNG = b"\x89PNG\r\n\x1a\n"


def seeds() -> list[bytes]:
    return [
        encoded("JPEG"),
        encoded("JPEG", progressive=True),
        encoded("JPEG", "L"),
        encoded("JPEG", "CMYK"),
        encoded("JPEG", exif=orientation(6)),
        encoded("JPEG", size=(300, 200)),
        encoded("PNG"),
        encoded("PNG", "RGBA"),
        encoded("PNG", "P"),
        encoded("PNG", "1"),
        encoded("PNG", "I;16"),
        encoded("PNG", exif=orientation(8)),
        encoded("WEBP"),
        encoded("WEBP", "RGBA", lossless=True),
        encoded("WEBP", exif=orientation(3)),
        animation(),
    ]


def drawn(mode: str, size: tuple[int, int]) -> Image.Image:
    picture = Image.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 50)
    return picture.convert("I;16" if mode == "I;16" else mode)


def encoded(
    kind: str, mode: str = "RGB", *, size: tuple[int, int] = (60, 40), **options: object
) -> bytes:
    data = io.BytesIO()
    drawn(mode, size).save(data, kind, **options)
    return data.getvalue()


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def animation() -> bytes:
    data = io.BytesIO()
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    frames[0].save(data, "WEBP", save_all=True, append_images=frames[1:])
    return data.getvalue()


def mangled(seed: int) -> Iterator[bytes]:
    """Endless inputs, reproducible by the seed and their number."""
    draw = random.Random(seed)  # noqa: S311 - reproducible on purpose
    originals = seeds()
    while True:
        content = bytearray(draw.choice(originals))
        for _ in range(draw.choice((1, 1, 2, 4, 8))):
            mutate(content, draw, originals)
        yield mended(bytes(content)) if draw.random() < 0.8 else bytes(content)


def mangled_requests(seed: int) -> Iterator[bytes]:
    """Endless requests whose heads are nearly right."""
    draw = random.Random(seed)  # noqa: S311 - reproducible on purpose
    originals = [
        b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        (
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n"
            b"X-Amzn-SageMaker-Custom-Attributes: top=5,logits=true\r\n\r\nhello"
        ),
        (
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\n\r\n"
        ),
        b"GET /execution-parameters?a=%ff HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
    ]
    while True:
        content = bytearray(draw.choice(originals))
        for _ in range(draw.choice((1, 1, 2, 4))):
            mutate(content, draw, originals)
        yield bytes(content)


def mutate(content: bytearray, draw: random.Random, originals: list[bytes]) -> None:
    place = draw.randrange(len(content) + 1)
    length = draw.choice((1, 1, 2, 4, 16, 200))
    match draw.randrange(7):
        case 0:
            content[place : place + length] = draw.randbytes(length)
        case 1:
            edge = draw.choice(EDGES)
            content[place : place + len(edge)] = edge
        case 2:
            del content[place : place + length]
        case 3:
            content[place:place] = content[place : place + length] * draw.choice((1, 2, 50))
        case 4:
            other = draw.choice(originals)
            start = draw.randrange(len(other))
            content[place : place + length] = other[start : start + length]
        case 5:
            del content[place:]
        case _:
            if place < len(content):
                content[place] ^= 1 << draw.randrange(8)


def mended(content: bytes) -> bytes:
    """The same with right checksums, as far as it still is a row of PNG's chunks."""
    if not content.startswith(PNG):
        return content
    whole, place = bytearray(content), len(PNG)
    while place + 12 <= len(whole):
        end = place + 8 + int.from_bytes(whole[place : place + 4])
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[place + 4 : end]).to_bytes(4)
        place = end + 4
    return bytes(whole)
