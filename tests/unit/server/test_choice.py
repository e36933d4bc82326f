"""Which graph of an artifact is served."""

import pytest

from server.artifact import choose

FP32 = {"engine": "openvino", "precision": "fp32", "file": "openvino/model.xml"}
FIT = {"engine": "openvino", "precision": "int8", "file": "openvino/model-int8.xml", "fit": True}
UNFIT = FIT | {"fit": False}


@pytest.mark.parametrize(
    ("engines", "int8", "chosen"),
    [
        ([FP32, FIT], True, FIT),
        ([FP32, FIT], False, FP32),
        ([FP32, UNFIT], True, FP32),
        ([FP32], True, FP32),
    ],
)
def test_int8_is_served_where_it_is_fit_and_the_processor_has_it(
    engines: list[dict[str, object]], chosen: dict[str, object], *, int8: bool
) -> None:
    assert choose(engines, int8=int8) == chosen


def test_an_artifact_without_a_usable_graph_is_refused() -> None:
    with pytest.raises(KeyError):
        choose([UNFIT], int8=True)
