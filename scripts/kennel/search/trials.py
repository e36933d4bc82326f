"""What a search has tried, and how good each was: as a table and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from math import log10

from rich.table import Table

from kennel.search.ranges import OBJECTIVE, Range
from kennel.terminal import duration

WIDTH, HEIGHT, MARGIN = 1000, 420, 60


@dataclass(frozen=True)
class Trial:
    name: str
    state: str  # Completed, Failed, Stopped, InProgress
    values: dict[str, str] = field(default_factory=dict)
    objective: float | None = None
    seconds: float = 0.0
    reason: str = ""  # why it failed, in the container's own words


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """The best first, those without a result last."""
    return sorted(
        trials, key=lambda each: -1.0 if each.objective is None else each.objective, reverse=True
    )


def best(trials: Sequence[Trial]) -> Trial | None:
    """Of those that ended well and so have left a model."""
    done = [e for e in ranked(trials) if e.objective is not None and e.state == "Completed"]
    return done[0] if done else None


def complaint(trials: Sequence[Trial]) -> str:
    """What the containers said of their ends, once each; for a search without a result."""
    said = dict.fromkeys(each.reason for each in trials if each.reason)
    return "; ".join(said) or "no job was completed"


def pace(ended: int, total: int, seconds: float, before: int = 0) -> str:
    """How far a search is and how long the rest will take, if it goes on as in these seconds, in
    which all trials but those `before` ended. Of trials side by side, each has its share of them.
    """
    told = f"{ended} of {total}"
    if ended <= before:
        return told
    each = seconds / (ended - before)
    left = f", {duration((total - ended) * each)} left" if ended < total else ""
    return f"{told}, {each:.0f} s each{left}"


def board(trials: Sequence[Trial], ranges: Sequence[Range]) -> Table:
    table = Table("", "job", "state", OBJECTIVE, *(each.name for each in ranges), "time", box=None)
    for place, each in enumerate(ranked(trials), start=1):
        score = "" if each.objective is None else f"{each.objective:.4f}"
        values = [short(each.values.get(r.name, "")) for r in ranges]
        table.add_row(str(place), each.name, each.state, score, *values, f"{each.seconds:.0f} s")
    return table


def short(value: str) -> str:
    try:
        return value if value.isdecimal() else f"{float(value):.4g}"
    except ValueError:
        return value


def page(title: str, trials: Sequence[Trial], ranges: Sequence[Range]) -> str:
    """Parallel coordinates: an axis for each hyperparameter and one for how good it was, a line
    for each job. One file, nothing fetched, no script."""
    done = [each for each in ranked(trials) if each.objective is not None]
    scores = [each.objective or 0.0 for each in done] or [0.0]
    objective = Range(OBJECTIVE, low=min(scores), high=max(scores))
    axes = [*ranges, objective]
    places = [MARGIN + i * (WIDTH - 2 * MARGIN) / max(1, len(axes) - 1) for i in range(len(axes))]
    # The best last, on top.
    lines = "".join(line(each, axes, places, scores) for each in reversed(done))
    drawn = "".join(axis(each, at) for each, at in zip(axes, places, strict=True))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        "<style>body{font:15px system-ui;margin:2em auto;max-width:1040px;color:#222;"
        "background:#fff}path{fill:none;stroke-width:2}path:hover{stroke-width:5}"
        "text{font:12px system-ui;text-anchor:middle}@media(prefers-color-scheme:dark)"
        "{body{background:#111;color:#ddd}text{fill:#ddd}}</style>"
        f"<h1>{escape(title)}</h1><p>{len(done)} of {len(trials)} jobs have a result; "
        f"{OBJECTIVE} from {min(scores):.4f} (blue) to {max(scores):.4f} (orange).</p>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{drawn}{lines}</svg></html>\n'
    )


def axis(each: Range, at: float) -> str:
    marks = each.values or (short(str(each.low)), short(str(each.high)))
    texts = "".join(
        f'<text x="{at:.0f}" y="{height(each, raw) + 4:.0f}" dx="-8" '
        f'style="text-anchor:end">{escape(mark)}</text>'
        for raw, mark in zip(each.values or (str(each.low), str(each.high)), marks, strict=True)
    )
    return (
        f'<line x1="{at:.0f}" x2="{at:.0f}" y1="{MARGIN}" y2="{HEIGHT - MARGIN}" stroke="#999"/>'
        f'<text x="{at:.0f}" y="{MARGIN - 25}">{escape(each.name)}</text>{texts}'
    )


def line(each: Trial, axes: Sequence[Range], places: Sequence[float], scores: list[float]) -> str:
    values = {**each.values, OBJECTIVE: str(each.objective)}
    points = [
        f"{at:.1f} {height(axis, values[axis.name]):.1f}"
        for axis, at in zip(axes, places, strict=True)
        if axis.name in values
    ]
    span = max(scores) - min(scores) or 1.0
    share = ((each.objective or 0.0) - min(scores)) / span
    said = ", ".join(f"{name} {short(value)}" for name, value in values.items())
    return (
        f'<path d="M{" L".join(points)}" stroke="hsl({220 - 190 * share:.0f} 80% 50%)" '
        f'stroke-opacity="{0.35 + 0.65 * share:.2f}"><title>{escape(each.name)}: {escape(said)}'
        "</title></path>"
    )


def height(each: Range, value: str) -> float:
    """Where on the axis, from its top."""
    if each.values:
        place = each.values.index(value) if value in each.values else 0
        share = place / max(1, len(each.values) - 1)
    else:
        low, high, number = each.low, each.high, float(value)
        if each.log:
            low, high, number = log10(low), log10(high), log10(max(number, 1e-300))
        share = (number - low) / (high - low) if high > low else 0.5
    return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)
