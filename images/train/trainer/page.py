"""report.html: one page that says how training went and where the model is wrong."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from numpy.typing import NDArray

from trainer import charts, measure

BINS = 10
SHOWN = 24  # mistakes on the contact sheet
WORST = 12  # classes
STYLE = Path(__file__).with_name("report.css")


@dataclass(frozen=True)
class Facts:
    """What the page is made of."""

    manifest: dict[str, Any]
    judgement: measure.Judgement  # of fp32
    square: Callable[[int], NDArray[np.uint8]]  # a test picture as the network saw it
    history: list[dict[str, Any]]
    counts: dict[str, list[int]]  # pictures by split and class
    settings: dict[str, Any]
    processes: int


def write(path: Path, facts: Facts) -> None:
    name = escape(facts.manifest["name"])
    sections = (headline, curves, mistakes, by_class, calibration, pictures, machine)
    body = "\n".join(section(facts) for section in sections)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{name}: training report</title><style>{STYLE.read_text()}</style>"
        f"<h1>{name}</h1><p>{escape(facts.manifest['architecture'])}, version "
        f"{facts.manifest['version']}, {len(facts.manifest['classes'])} classes</p>{body}</html>\n"
    )


def card(title: str, content: str) -> str:
    return f'<div class="card"><h3>{title}</h3>{content}</div>'


def headline(facts: Facts) -> str:
    cards = []
    for engine in facts.manifest["engines"]:
        metrics = facts.manifest["metrics"][engine["precision"]]
        low, high = metrics["test_accuracy_interval"]
        text = f'<div class="big">{metrics["test_accuracy"]:.1%}</div>'
        text += f"<p>95 % interval {low:.1%} to {high:.1%}<br>"
        text += f"among the best five {metrics['test_top5_accuracy']:.1%}</p>"
        if "lost_points" in metrics:
            verdict = "fit to serve" if engine["fit"] else "not fit to serve"
            low, high = metrics["lost_points_interval"]
            text += f'<p class="{"good" if engine["fit"] else "bad"}">{verdict}: loses '
            text += f"{metrics['lost_points']:.2f} points ({low:.2f} to {high:.2f}), may lose "
            text += f"{metrics['margin_points']:.2f}</p>"
        cards.append(card(f"test accuracy, {engine['precision']}", text))
    wrong = int((~facts.judgement.right).sum())
    text = f'<div class="big">{wrong}</div><p>of {facts.manifest["test_pictures"]} test pictures, '
    text += "which training has not seen</p>"
    return f'<div class="cards" style="margin-top:20px">{"".join(cards)}{card("wrong", text)}</div>'


def curves(facts: Facts) -> str:
    def drawn(name: str, title: str, colour: str, **options: Any) -> str:
        values = [float(entry[name]) for entry in facts.history]
        return card(title, charts.curve(values, f"var(--{colour})", title, **options))

    return (
        '<h2>How training went</h2><div class="cards wide">'
        + drawn("train_loss", "training loss, by epoch", "blue", least=0.0)
        + drawn("valid_accuracy", "validation accuracy, by epoch", "right", least=0.0)
        + drawn("rate", "learning rate at the end of each epoch", "soft", least=0.0)
        + drawn("images_per_second", "pictures a second", "soft", least=0.0)
        + "</div>"
    )


def mistakes(facts: Facts) -> str:
    """The surest ones first: they tell most about the pictures or their labels."""
    judgement, classes = facts.judgement, facts.manifest["classes"]
    wrong = np.flatnonzero(~judgement.right)
    wrong = wrong[np.argsort(-judgement.probabilities[wrong].max(1))][:SHOWN]
    if not len(wrong):
        return "<h2>Mistakes</h2><p>None on the test pictures.</p>"
    figures = []
    for place in wrong:
        said, true = int(judgement.probabilities[place].argmax()), int(judgement.labels[place])
        figures.append(
            f'<figure><img alt="" src="{charts.picture(facts.square(int(place)))}"><figcaption>'
            + answer("bad", classes[said], judgement.probabilities[place, said])
            + answer("", f"is {classes[true]}", judgement.probabilities[place, true])
            + "</figcaption></figure>"
        )
    return (
        "<h2>Mistakes</h2><p>What the model was surest of, and what it is.</p>"
        f'<div class="sheet" style="margin-top:12px">{"".join(figures)}</div>'
    )


def answer(kind: str, text: str, share: float) -> str:
    """A line below a picture; a name too long for it is cut short, and whole under the pointer."""
    text = escape(text)
    return f'<div class="said {kind}"><span title="{text}">{text}</span><b>{share:.0%}</b></div>'


def by_class(facts: Facts) -> str:
    table, classes = facts.judgement.confusion(), facts.manifest["classes"]
    right = table.diagonal() / np.maximum(1, table.sum(1))
    rows = []
    for label in np.argsort(right, kind="stable")[:WORST]:
        others = table[label].copy()
        others[label] = 0
        taken = escape(classes[int(others.argmax())]) if others.any() else "–"
        rows.append(
            f"<tr><td>{escape(classes[label])}</td><td>{charts.bar(float(right[label]))}</td>"
            f'<td class="n">{right[label]:.0%}</td>'
            f'<td class="n">{facts.counts["train"][label]}</td><td>{taken}</td></tr>'
        )
    worst = (
        '<table><tr><th>class</th><th></th><th class="n">right</th><th class="n">learnt from</th>'
        f"<th>most taken for</th></tr>{''.join(rows)}</table>"
    )
    return (
        "<h2>Classes</h2>"
        + card("the worst ones", worst)
        + card("confusion: true class down, answer across", charts.confusion(table, classes))
    )


def calibration(facts: Facts) -> str:
    certainty = facts.judgement.probabilities.max(1)
    place = np.minimum((certainty * BINS).astype(int), BINS - 1)
    bins, gap = [], 0.0
    for number in range(BINS):
        inside = place == number
        count = int(inside.sum())
        sure = float(certainty[inside].mean()) if count else 0.0
        right = float(facts.judgement.right[inside].mean()) if count else 0.0
        bins.append((sure, right, count))
        gap += count / len(place) * abs(sure - right)
    text = f'<div class="big">{100 * gap:.1f}</div><p>points between how sure the model is and how '
    text += "often it is right, on average (expected calibration error)</p>"
    return (
        '<h2>Can its probabilities be believed?</h2><div class="cards wide">'
        + card("share that is right, by certainty", charts.reliability(bins))
        + card("calibration error", text)
        + "</div>"
    )


def pictures(facts: Facts) -> str:
    rows = [
        f'<tr><td>{split}</td><td class="n">{sum(counts)}</td><td class="n">{min(counts)}</td>'
        f'<td class="n">{max(counts)}</td></tr>'
        for split, counts in facts.counts.items()
    ]
    size = facts.manifest["input"]
    table = (
        '<table><tr><th>split</th><th class="n">pictures</th><th class="n">fewest a class</th>'
        f'<th class="n">most a class</th></tr>{"".join(rows)}</table>'
    )
    note = f"<p>Short side to {size['resize']} pixels, the middle {size['size']} of it. "
    note += f"sha256 of the set {facts.manifest['data_sha256'][:16]}…</p>"
    return "<h2>Pictures</h2>" + card("by split", table + note)


def machine(facts: Facts) -> str:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    speed = max(entry["images_per_second"] for entry in facts.history)
    waits = float(np.mean([entry["data_share"] for entry in facts.history]))
    rows = {
        "processes": facts.processes,
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "GPU": gpu,
        "versions": f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"OpenVINO {openvino.__version__}",
        "speed": f"{speed:.0f} pictures a second in the fastest epoch",
        "time spent on preparing pictures": f"{waits:.1%}",
        "settings": ", ".join(f"{name} {value}" for name, value in facts.settings.items()),
    }
    cells = "".join(f"<tr><td>{k}</td><td>{escape(str(v))}</td></tr>" for k, v in rows.items())
    return "<h2>Machine and settings</h2>" + card("of this run", f"<table>{cells}</table>")


def processor() -> str:
    """Its name as Linux has it, for Python knows it by its family only."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
