"""The engines agree: the same scores from the same artifact, whichever runs it, and how exactly."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from server import artifact, choice, cpu
from server.errors import StartError
from server.pictures import decode
from server.settings import Settings


@pytest.fixture(scope="module")
def batch(pictures: Path) -> NDArray[np.uint8]:
    paths = sorted(pictures.glob("test/*/*"))
    return np.stack([decode(path.read_bytes(), 36, 32) for path in paths])


def test_torch_agrees_with_openvino(trained: Path, batch: NDArray[np.uint8]) -> None:
    from server.engine import OpenVino
    from server.torch_engine import Torch

    model = artifact.load(trained / "model")
    torch, openvino = Torch(model), OpenVino(model, streams=1)
    assert (torch.precision, openvino.precision) == ("fp32", "fp32")
    scores = openvino.infer(batch)
    assert scores.shape == (len(batch), len(model.classes))
    np.testing.assert_allclose(torch.infer(batch), scores, atol=1e-4)
    np.testing.assert_allclose(torch.infer(batch[:1]), scores[:1], atol=1e-4)


def test_bf16_is_near_and_never_what_one_gets_unasked(
    trained: Path, batch: NDArray[np.uint8]
) -> None:
    from server.engine import OpenVino

    model = artifact.load(trained / "model")
    exact = OpenVino(model, streams=1)
    rounded = OpenVino(model, streams=1, bf16=True)
    hints = [
        each._wide.get_property("INFERENCE_PRECISION_HINT").to_string() for each in (exact, rounded)
    ]
    assert hints[0] == "f32"
    assert rounded.precision == "bf16"
    spread = np.ptp(exact.infer(batch))
    assert np.abs(exact.infer(batch) - rounded.infer(batch)).max() < 0.05 * spread


def settings(root: Path, **changes: str) -> Settings:
    return replace(Settings.read({}), model=root / "model", **changes)  # type: ignore[arg-type]


def test_the_engine_is_the_fastest_that_machine_and_model_allow(trained: Path) -> None:
    chosen = choice.start(settings(trained))[1]
    best = "int8" if cpu.has_int8() else "bf16" if cpu.has_bf16() else "fp32"
    assert chosen.precision in (best, "bf16" if cpu.has_bf16() else "fp32")  # int8 may be unfit
    assert choice.start(settings(trained, precision="fp32"))[1].precision == "fp32"
    torch = choice.start(settings(trained, engine="torch"))[1]
    assert type(torch).__name__ == "Torch"


def test_a_precision_that_the_model_does_not_allow_is_refused(model: Path) -> None:
    manifest = model / "model/manifest.json"
    manifest.write_text(manifest.read_text().replace('"fit": true', '"fit": false'))
    text = manifest.read_text().replace('"fit": false', '"fit": true', 1)  # fp32 comes first
    manifest.write_text(text)
    with pytest.raises(StartError, match="int8, for which this model is not fit"):
        choice.start(settings(model, precision="int8"))
    with pytest.raises(StartError, match="torch engine does not have"):
        choice.start(settings(model, precision="int8", engine="torch"))


def test_batches_beside_each_other_get_the_scores_that_each_gets_alone(
    trained: Path, batch: NDArray[np.uint8]
) -> None:
    from server.engine import OpenVino

    engine = OpenVino(artifact.load(trained / "model"), streams=2)
    pictures = [batch[place : place + 1] for place in range(len(batch))]
    alone = [engine.infer(each) for each in pictures]
    with ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(engine.infer, pictures * 20))
    np.testing.assert_allclose(np.stack(beside), np.stack(alone * 20), atol=1e-4)
    assert engine._running == 0
