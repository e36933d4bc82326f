"""From the bytes of a picture to the square that the network sees, as training made it."""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from server.errors import TooLarge, Unreadable, Unsupported

FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 50_000_000


def decode(content: bytes, resize: int, size: int) -> NDArray[np.uint8]:
    """The middle of the upright picture: short side to `resize`, then a square of `size`, RGB."""
    picture = open_picture(content)
    scale = resize / min(picture.size)
    width, height = (max(resize, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    edge = (resize - size) // 2
    left, top = (width - resize) // 2 + edge, (height - resize) // 2 + edge
    return np.asarray(picture.crop((left, top, left + size, top + size)))


def open_picture(content: bytes) -> Image.Image:
    """Decoded, turned upright, RGB. The format is read from the bytes, never from a header."""
    try:
        with warnings.catch_warnings():
            # Pillow's own, higher pixel limit warns; ours comes first and says what to do.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise Unsupported("the body is not a JPEG, PNG or WebP picture") from error
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise TooLarge(
            f"the picture has {width} x {height} pixels, more than {MOST_PIXELS}: make it smaller"
        )
    if getattr(picture, "n_frames", 1) > 1:
        raise Unsupported("the picture is animated: send a single frame")
    try:
        return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise Unreadable("the picture is damaged or cut short") from error
