"""evaluation.json: what report.html shows of the test pictures, for programs."""

import json
from pathlib import Path
from typing import Any

from trainer.measure import Judgement


def write(path: Path, manifest: dict[str, Any], judgements: dict[str, Judgement]) -> None:
    content = {
        "name": manifest["name"],
        "version": manifest["version"],
        "classes": manifest["classes"],
        "precisions": {
            precision: manifest["metrics"][precision] | of_classes(manifest["classes"], each)
            for precision, each in judgements.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content) + "\n")


def of_classes(classes: list[str], judgement: Judgement) -> dict[str, Any]:
    """How often each class is right, and what it was taken for: a row for what is true, a column
    for what was said."""
    table = judgement.confusion()
    counted = zip(classes, table.diagonal().tolist(), table.sum(1).tolist(), strict=True)
    by_class = [
        {"class": name, "pictures": all_, "right": right, "accuracy": round(right / all_, 4)}
        for name, right, all_ in counted
    ]
    return {"by_class": by_class, "confusion": table.tolist()}
