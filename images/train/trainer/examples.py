"""release.json: what a release says of itself, and test pictures to try it with once deployed.

The pictures are ones that every precision of the model gets right and none nearly took for another
class, the surest of each class first, as they lie in the set, large ones smaller. Whoever deploys
the artifact sends them to the new endpoint.
"""

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from trainer import data, measure

MOST = 8  # pictures
LARGEST = 1_000_000  # bytes of one
SIDE = 1024  # of a larger one, which is sent smaller
# How much more probable than the next the answer must be: a processor that serves the graph at
# fp32 in bf16 shifts scores a little, and would turn the answer where two are nearly alike.
LEAD = 1.25


def write(
    path: Path,
    manifest: dict[str, Any],
    judgements: Mapping[str, measure.Judgement],
    names: list[str],
    sources: Mapping[str, data.Source],
) -> None:
    """`names` are the test pictures in the judgements' order; `sources` those on this machine."""
    examples: list[dict[str, Any]] = []
    full = judgements["fp32"]
    for place in ranked(judgements):
        if len(examples) == MOST or names[place] not in sources:
            continue
        content = sources[names[place]].read()
        name = names[place]
        if len(content) > LARGEST:
            content, name = smaller(content), f"{name}.jpg"
        said = int(full.probabilities[place].argmax())
        examples.append(
            {
                "name": name,
                "label": manifest["classes"][said],
                "probability": round(float(full.probabilities[place, said]), 4),
                "picture": base64.b64encode(content).decode(),
            }
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"manifest": manifest, "examples": examples}) + "\n")


def lead_of(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """How many times more probable the first answer is than the second."""
    ordered = np.sort(probabilities, axis=1)
    lead: NDArray[np.float64] = ordered[:, -1] / np.maximum(ordered[:, -2], 1e-30, dtype=float)
    return lead


def smaller(content: bytes) -> bytes:
    """Of a size that the API takes, and still much larger than what the network sees."""
    with Image.open(io.BytesIO(content)) as picture:
        reduced = ImageOps.exif_transpose(picture).convert("RGB")
    reduced.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    reduced.save(written, "JPEG", quality=90)
    return written.getvalue()


def ranked(judgements: Mapping[str, measure.Judgement]) -> list[int]:
    """Pictures that all precisions answer alike and clearly: right ones before wrong ones, each
    class once before any comes twice, the surest first. Of a model that is clear about none, the
    clearest."""
    full = judgements["fp32"]
    answers = np.stack([each.probabilities.argmax(1) for each in judgements.values()])
    lead = np.stack([lead_of(each.probabilities) for each in judgements.values()]).min(axis=0)
    lead[(answers != answers[0]).any(0)] = 0.0
    agreed = np.flatnonzero(lead >= min(LEAD, max(1.0, lead.max())))
    surest = agreed[np.argsort(-full.probabilities.max(1)[agreed], kind="stable")]
    times: dict[tuple[bool, int], int] = {}
    keys = []
    for place in surest:
        wrong, label = not full.right[place], int(full.labels[place])
        turn = times[wrong, label] = times.get((wrong, label), 0) + 1
        keys.append((wrong, turn))
    order = sorted(range(len(surest)), key=keys.__getitem__)
    return [int(surest[number]) for number in order]
