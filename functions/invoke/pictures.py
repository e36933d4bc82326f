"""What a picture says of itself in its first bytes: its format and its size in pixels.

Nothing is decoded: this is enough to turn away what the model would refuse, before it is sent on.
"""

import struct
from collections.abc import Callable

from invoke.problems import Problem

MOST_PIXELS = 50_000_000  # as in the server
Size = tuple[int, int]
# Markers of JPEG that have no length: padding, TEM, RST0-7, SOI.
BARE = frozenset({0x01, *range(0xD0, 0xD9)})
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def content_type(picture: bytes) -> str:
    """The picture's type by its content; a Problem where it is none, damaged or too large."""
    for magic, name, size in FORMATS:
        if picture.startswith(magic) and (name != "image/webp" or picture[8:12] == b"WEBP"):
            check(picture, size)
            return name
    raise Problem(415, "this is not a JPEG, PNG or WebP picture")


def check(picture: bytes, size: Callable[[bytes], Size]) -> None:
    try:
        width, height = size(picture)
    except (struct.error, IndexError, ValueError):
        width, height = 0, 0
    if not width * height:
        raise Problem(422, "the picture is damaged or cut short: its size cannot be read")
    if width * height > MOST_PIXELS:
        raise Problem(
            413, f"the picture has {width} x {height} pixels, more than {MOST_PIXELS}: shrink it"
        )


def jpeg_size(picture: bytes) -> Size:
    """From the frame header, behind any number of other segments."""
    position = 2
    while True:
        position = picture.index(b"\xff", position)
        while picture[position] == 0xFF:
            position += 1
        marker = picture[position]
        position += 1
        if marker in FRAMES:
            height, width = struct.unpack_from(">HH", picture, position + 3)
            return width, height
        if marker not in BARE and marker != 0:
            position += int(struct.unpack_from(">H", picture, position)[0])


def png_size(picture: bytes) -> Size:
    if picture[12:16] != b"IHDR":
        raise ValueError
    width, height = struct.unpack_from(">II", picture, 16)
    return width, height


def webp_size(picture: bytes) -> Size:
    """From the first chunk: lossy, lossless or extended."""
    match picture[12:16]:
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", picture, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = struct.unpack_from("<I", picture, 21)[0]
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X" if len(picture) >= 30:
            width, height = picture[24:27], picture[27:30]
            return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    raise ValueError


# The first bytes, the type, where the size is.
FORMATS = (
    (b"\xff\xd8\xff", "image/jpeg", jpeg_size),
    (b"\x89PNG\r\n\x1a\n", "image/png", png_size),
    (b"RIFF", "image/webp", webp_size),
)
