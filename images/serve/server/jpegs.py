"""JPEGs decoded in batches by the GPU, with torchvision's decoder, instead of by the processor.

Heads are read in the decode pool, where all is refused that has to be. What the GPU's decoder does
not take, other formats and colours than RGB and grey, is decoded there too, as for OpenVINO.
"""

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2.functional import resize

from server import pictures
from server.pictures import Cut

log = logging.getLogger("server")
ORIENTATION = 0x0112  # of EXIF
END = b"\xff\xd9"  # of a whole JPEG; a cut one is for the decoder that refuses it


@dataclass(frozen=True)
class Jpeg:
    content: bytes
    orientation: int


Item = Jpeg | NDArray[np.uint8]


class Decoder:
    def __init__(self, cut: Cut, device: torch.device) -> None:
        self._cut, self._device = cut, device

    def works(self) -> bool:
        """Whether this build of torchvision and this GPU have it."""
        sample = io.BytesIO()
        Image.new("RGB", (64, 64)).save(sample, "JPEG")
        try:
            self._decode([Jpeg(sample.getvalue(), 1)])
        except RuntimeError as error:
            log.warning("JPEGs are decoded by the processor: %s", error)
            return False
        return True

    def read(self, content: bytes) -> Item:
        picture = pictures.opened(content)
        if picture.format != "JPEG" or picture.mode not in ("RGB", "L") or END not in content[-64:]:
            return pictures.decode(content, self._cut.resize, self._cut.size)
        try:
            return Jpeg(content, picture.getexif().get(ORIENTATION, 1))
        except Exception as error:
            raise pictures.damaged(error) from error

    def squares(self, items: Sequence[Item]) -> Tensor:
        """One batch of N x H x W x 3, on the device."""
        jpegs = [each for each in items if isinstance(each, Jpeg)]
        try:
            decoded = iter(self._decode(jpegs))
        except RuntimeError:  # one that it does not take; the other decoder says whether it is bad
            items, decoded = [self._by_processor(each) for each in items], iter(())
        return torch.stack(
            [
                self._square(next(decoded), each.orientation)
                if isinstance(each, Jpeg)
                else torch.tensor(each, device=self._device)
                for each in items
            ]
        )

    def _decode(self, jpegs: Sequence[Jpeg]) -> list[Tensor]:
        if not jpegs:
            return []
        data = [torch.frombuffer(bytearray(each.content), dtype=torch.uint8) for each in jpegs]
        decoded: list[Tensor] = decode_jpeg(data, ImageReadMode.RGB, device=self._device)
        return decoded

    def _by_processor(self, item: Item) -> NDArray[np.uint8]:
        if not isinstance(item, Jpeg):
            return item
        return pictures.decode(item.content, self._cut.resize, self._cut.size)

    def _square(self, picture: Tensor, orientation: int) -> Tensor:
        picture = upright(picture, orientation)
        width, height = self._cut.resized(picture.shape[2], picture.shape[1])
        left, top = self._cut.corner(width, height)
        whole = resize(picture, [height, width], antialias=True)
        size = self._cut.size
        square: Tensor = whole[:, top : top + size, left : left + size].permute(1, 2, 0)
        return square


def upright(picture: Tensor, orientation: int) -> Tensor:
    """What EXIF's number stands for, on C x H x W."""
    if orientation in (5, 6, 7, 8):
        picture = picture.transpose(1, 2)
    flips = {2: [2], 3: [1, 2], 4: [1], 6: [2], 7: [1, 2], 8: [1]}.get(orientation, [])
    return picture.flip(flips) if flips else picture
