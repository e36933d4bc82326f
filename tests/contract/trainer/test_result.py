"""What a run leaves: graphs of two precisions, and a page to look at."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path


def test_both_precisions_are_measured_and_only_what_is_fit_says_so(trained: Path) -> None:
    manifest = json.loads((trained / "model/manifest.json").read_text())
    first, second = manifest["engines"]
    assert first == {
        "engine": "openvino",
        "precision": "fp32",
        "file": "openvino/model.xml",
        "fit": True,
    }
    assert (second["precision"], second["file"]) == ("int8", "openvino/model-int8.xml")
    fp32, int8 = manifest["metrics"]["fp32"], manifest["metrics"]["int8"]
    lost = 100 * (fp32["test_accuracy"] - int8["test_accuracy"])
    assert abs(int8["lost_points"] - lost) < 0.02
    assert second["fit"] == (int8["lost_points"] <= int8["margin_points"] == 0.5)
    low, high = int8["lost_points_interval"]
    assert low <= int8["lost_points"] <= high


def test_the_graph_at_int8_takes_what_the_one_at_fp32_takes(trained: Path) -> None:
    import openvino

    for name in ("model", "model-int8"):
        graph = openvino.Core().read_model(trained / f"model/openvino/{name}.xml")
        assert graph.input().get_element_type() == openvino.Type.u8
        assert str(graph.input().get_partial_shape()) == "[?,32,32,3]"
        assert len(graph.outputs) == 1
    text = (trained / "model/openvino/model-int8.xml").read_text()
    assert "FakeQuantize" in text
    assert "nncf" not in text.lower()
    assert not re.search(r"20\d\d-\d\d-\d\d", text)


class Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [str(v) for name, v in attrs if name in {"src", "href", "data", "srcset"}]


def test_the_report_is_one_page_that_needs_nothing_else(trained: Path) -> None:
    text = (trained / "output/data/report.html").read_text()
    page = Addresses()
    page.feed(text)
    assert not page.tags & {"script", "link", "iframe", "object"}
    assert page.found
    assert all(address.startswith("data:image/webp;base64,") for address in page.found)
    assert "url(" not in text
    manifest = json.loads((trained / "model/manifest.json").read_text())
    for expected in (manifest["version"], *manifest["classes"], "int8", "Calibration".lower()):
        assert expected in text
    assert text.count("<polyline") == 4


def test_classes_and_their_confusion_are_there_for_programs(trained: Path) -> None:
    said = json.loads((trained / "output/data/evaluation.json").read_text())
    manifest = json.loads((trained / "model/manifest.json").read_text())
    assert (said["version"], said["classes"]) == (manifest["version"], manifest["classes"])
    assert said["precisions"].keys() == manifest["metrics"].keys()
    for precision, each in said["precisions"].items():
        assert each.items() >= manifest["metrics"][precision].items()
        assert [row["class"] for row in each["by_class"]] == manifest["classes"]
        for number, row in enumerate(each["by_class"]):
            assert row["pictures"] == sum(each["confusion"][number]) == 4
            assert row["right"] == each["confusion"][number][number]
            assert row["accuracy"] == row["right"] / 4
        right = sum(row["right"] for row in each["by_class"])
        assert each["test_accuracy"] == round(right / manifest["test_pictures"], 4)
