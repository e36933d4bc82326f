"""From the bytes of a picture to the square that the network sees, as training made it."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from server.errors import TooLarge, Unreadable, Unsupported

FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 50_000_000

# Pillow's own, higher pixel limit only warns; ours comes first and says what to do. Its warnings
# of damaged EXIF data are for those who made the picture, not for whoever reads our log.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module="PIL")


@dataclass(frozen=True)
class Cut:
    """The square of side `size` in the middle of a picture whose short side becomes `resize`."""

    resize: int
    size: int

    def resized(self, width: int, height: int) -> tuple[int, int]:
        scale = self.resize / min(width, height)
        return max(self.resize, round(width * scale)), max(self.resize, round(height * scale))

    def corner(self, width: int, height: int) -> tuple[int, int]:
        """Left and top of the square, in the resized picture."""
        edge = (self.resize - self.size) // 2
        return (width - self.resize) // 2 + edge, (height - self.resize) // 2 + edge


class Decoder:
    """Pictures by the processor, each in the thread that asks for it."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut

    def read(self, content: bytes) -> NDArray[np.uint8]:
        return decode(content, self._cut.resize, self._cut.size)

    def squares(self, items: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        return np.stack(items)


def decode(content: bytes, resize: int, size: int) -> NDArray[np.uint8]:
    """The middle of the upright picture: short side to `resize`, then a square of `size`, RGB."""
    cut = Cut(resize, size)
    picture = upright_rgb(content, resize)
    width, height = cut.resized(*picture.size)
    left, top = cut.corner(width, height)
    # As if all of it were resized and then cut; only what is kept is computed.
    across, down = picture.width / width, picture.height / height
    box = (left * across, top * down, (left + size) * across, (top + size) * down)
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box=box))


def upright_rgb(content: bytes, resize: int) -> Image.Image:
    """Decoded no larger than needed."""
    picture = opened(content)
    try:
        shrink(picture, resize)
        ImageOps.exif_transpose(picture, in_place=True)
        picture = eight_bit(picture)
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    except Exception as error:
        raise damaged(error) from error


def opened(content: bytes) -> Image.Image:
    """Its head only. The format is read from the bytes, never from a header of the request."""
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise Unsupported("the body is not a JPEG, PNG or WebP picture") from error
    except Exception as error:
        raise damaged(error) from error
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise TooLarge(f"the picture has {width} x {height} pixels, more than {MOST_PIXELS}")
    if getattr(picture, "n_frames", 1) > 1:
        raise Unsupported("the picture is animated: send a single frame")
    return picture


def damaged(error: Exception) -> Unreadable:
    """Pillow's parsers raise whatever they stumble over; all of it means the same to a client."""
    if isinstance(error, MemoryError):
        raise error
    return Unreadable("the picture is damaged or cut short")


def shrink(picture: Image.Image, resize: int) -> None:
    """Let libjpeg decode at a half or a quarter where that is still larger than needed."""
    short = min(picture.size)
    factor = next((each for each in (4, 2) if short >= each * resize), 1)
    if factor > 1 and picture.format == "JPEG":
        picture.draft(None, (picture.width // factor, picture.height // factor))


def eight_bit(picture: Image.Image) -> Image.Image:
    """16-bit grey scaled down; Pillow would cut it off at 255 and leave it white."""
    if not picture.mode.startswith("I;16"):
        return picture
    return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
