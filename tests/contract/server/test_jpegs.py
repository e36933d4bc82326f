"""The GPU's way to decode, run on the processor: torchvision's decoder takes either device."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from server.errors import Unreadable
from server.pictures import Cut, decode

if TYPE_CHECKING:
    from server.jpegs import Decoder

CUT = Cut(resize=72, size=64)


@pytest.fixture
def decoder() -> "Decoder":
    made = decoder_of(CUT)
    assert made.works()
    return made


def decoder_of(cut: Cut) -> "Decoder":
    import torch

    from server.jpegs import Decoder

    return Decoder(cut, torch.device("cpu"))


def drawn(width: int = 160, height: int = 100) -> Image.Image:
    """No two of its corners are alike."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    pixels = np.stack([across, down, 255 - across], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


def coded(picture: Image.Image, kind: str = "JPEG", orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    target = io.BytesIO()
    picture.save(target, kind, exif=exif)
    return target.getvalue()


def square(decoder: "Decoder", content: bytes) -> NDArray[np.int64]:
    return decoder.squares([decoder.read(content)])[0].numpy().astype(int)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright_and_look_as_the_processors_do(
    decoder: "Decoder", orientation: int
) -> None:
    from server.jpegs import Jpeg

    content = coded(drawn(), orientation=orientation)
    assert isinstance(decoder.read(content), Jpeg)
    difference = np.abs(square(decoder, content) - decode(content, CUT.resize, CUT.size))
    assert difference.max() <= 6  # two decoders, two ways to round
    assert difference.mean() < 1


def test_real_pictures_look_as_the_processors_do(pictures: Path) -> None:
    decoder = decoder_of(Cut(resize=256, size=224))
    for path in sorted(pictures.glob("train/*/*")):
        content = path.read_bytes()
        difference = np.abs(square(decoder, content) - decode(content, 256, 224))
        # The processor's decoder takes a half or a quarter of large pictures at once.
        small = min(Image.open(io.BytesIO(content)).size) < 2 * 256
        assert difference.mean() < (1 if small else 8), path.name


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "PNG"), ("RGB", "WEBP"), ("RGBA", "PNG"), ("CMYK", "JPEG")]
)
def test_what_the_gpu_does_not_take_is_left_to_the_processor(
    decoder: "Decoder", mode: str, kind: str
) -> None:
    content = coded(drawn().convert(mode), kind)
    np.testing.assert_array_equal(
        square(decoder, content), decode(content, CUT.resize, CUT.size).astype(int)
    )


def test_grey_becomes_rgb(decoder: "Decoder") -> None:
    found = square(decoder, coded(drawn().convert("L")))
    np.testing.assert_array_equal(found[..., 0], found[..., 2])


def test_a_batch_mixes_both_ways_in_its_own_order(decoder: "Decoder") -> None:
    contents = [
        coded(drawn()),
        coded(drawn().rotate(180), "PNG"),
        coded(drawn().rotate(180)),
        coded(drawn(), "PNG"),
    ]
    batch = decoder.squares([decoder.read(each) for each in contents])
    for place, content in enumerate(contents):
        np.testing.assert_array_equal(batch[place].numpy(), square(decoder, content))


def test_cut_pictures_are_refused_in_the_pool(decoder: "Decoder") -> None:
    with pytest.raises(Unreadable):
        decoder.read(coded(drawn())[:-40])


def test_a_damaged_picture_is_the_clients_fault_and_a_good_one_beside_it_is_not_lost(
    decoder: "Decoder",
) -> None:
    from server.jpegs import Jpeg

    content = bytearray(coded(drawn()))
    start = content.index(b"\xff\xc4")  # a Huffman table, without which nothing is decoded
    content[start + 5 : start + 21] = b"\xff" * 16
    good, bad = decoder.read(coded(drawn())), Jpeg(bytes(content), 1)
    with pytest.raises(Unreadable):
        decoder.squares([good, bad])  # whereupon the pipeline asks for each alone
    assert decoder.squares([good]).shape == (1, 64, 64, 3)


def test_a_gpu_without_a_decoder_is_noticed(
    decoder: "Decoder", monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: object, **__: object) -> None:
        raise RuntimeError("built without nvJPEG")

    monkeypatch.setattr("server.jpegs.decode_jpeg", absent)
    assert not decoder.works()
    found = square(decoder, coded(drawn()))
    np.testing.assert_array_equal(found, decode(coded(drawn()), CUT.resize, CUT.size))


def test_graphs_are_made_for_few_sizes_that_fit_all() -> None:
    from server.torch_engine import padded, padded_sizes

    assert padded_sizes(8) == [1, 2, 4, 8]
    assert padded_sizes(5) == [1, 2, 4, 8]
    assert [padded(count) for count in range(1, 10)] == [1, 2, 4, 4, 8, 8, 8, 8, 16]
