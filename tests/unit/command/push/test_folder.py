"""What `kennel data check` and `pack` refuse of one picture."""

import io

import pytest
from PIL import Image

from kennel import folder
from trainer import data


def test_a_picture_that_training_would_refuse_is_refused_before() -> None:
    assert folder.MOST_PIXELS == data.MOST_PIXELS
    content = io.BytesIO()
    Image.new("1", (9_200, 9_200)).save(content, "PNG")
    with pytest.raises(ValueError, match="it claims 9200 x 9200 pixels; training takes 80,000,000"):
        folder.upright(content.getvalue())
