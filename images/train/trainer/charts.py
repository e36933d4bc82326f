"""The drawings of the report, as SVG in its page: no script, no file besides it."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 460, 220
LEFT, TOP, RIGHT, BOTTOM = 68, 24, 14, 34  # room for the numbers at the axes


def number(value: float) -> str:
    return f"{value:.3g}"


def curve(values: Sequence[float], colour: str, what: str, *, least: float | None = None) -> str:
    """One value an epoch; the last one is written beside its dot."""
    low = min(values) if least is None else least
    high = max(values) if max(values) > low else low + 1
    single = len(values) == 1
    points = [
        (
            LEFT + (WIDTH - LEFT - RIGHT) * (0.5 if single else place / (len(values) - 1)),
            TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low),
        )
        for place, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    return (
        frame(what, [low, (low + high) / 2, high], ["", ""] if single else ["1", str(len(values))])
        + f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        + f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
        + f'<text x="{x + 4:.1f}" y="{y - 9:.1f}" text-anchor="end" class="last">'
        + f"{number(values[-1])}</text></svg>"
    )


def frame(what: str, ticks: Sequence[float], ends: Sequence[str]) -> str:
    """The axes: values at the left with a line each, the first and the last below."""
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(what)}">',
        f"<title>{escape(what)}</title>",
    ]
    low, high = ticks[0], ticks[-1]
    for tick in ticks:
        y = TOP + (HEIGHT - TOP - BOTTOM) * (high - tick) / (high - low)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" class="grid"/>')
        parts.append(
            f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>'
        )
    y = HEIGHT - BOTTOM + 18
    parts.append(f'<text x="{LEFT}" y="{y}">{escape(ends[0])}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{y}" text-anchor="end">{escape(ends[1])}</text>')
    return "".join(parts)


def confusion(table: NDArray[np.int64], classes: Sequence[str]) -> str:
    """True classes down, answers across; each row shaded by its share."""
    count = len(classes)
    side = max(4.0, min(34.0, 620 / count))
    named = count <= 40
    edge = 150 if named else 10
    tall = edge + side * count + 6
    wide = tall + (80 if named else 0)  # the names above lean to the right
    shares = table / np.maximum(1, table.sum(1, keepdims=True))
    parts = [f'<svg viewBox="0 0 {wide:.0f} {tall:.0f}" style="max-width:{wide:.0f}px">']
    for row, name in enumerate(classes):
        y = edge + side * row
        if named:
            middle = y + side / 2 + 4
            parts.append(f'<text x="{edge - 6}" y="{middle:.1f}" text-anchor="end">{short(name)}')
            parts.append("</text>")
            parts.append(f'<text transform="translate({middle:.1f} {edge - 6}) rotate(-60)">')
            parts.append(f"{short(name)}</text>")
        for column, share in enumerate(shares[row]):
            x = edge + side * column
            kind = "right" if row == column else "wrong"
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{side - 1:.1f}" height="{side - 1:.1f}" '
                f'class="{kind}" fill-opacity="{0.06 + 0.94 * share:.2f}"><title>{escape(name)} '
                f"taken for {escape(classes[column])}: {table[row, column]}</title></rect>"
            )
            if side >= 18 and table[row, column]:
                shade = "on" if share > 0.4 else ""
                parts.append(
                    f'<text x="{x + side / 2 - 0.5:.1f}" y="{y + side / 2 + 4:.1f}" '
                    f'text-anchor="middle" class="{shade}">{table[row, column]}</text>'
                )
    return "".join([*parts, "</svg>"])


def reliability(bins: Sequence[tuple[float, float, int]]) -> str:
    """How often answers of each certainty are right; on the dashed line, as often as claimed."""
    step = (WIDTH - LEFT - RIGHT) / len(bins)
    tall = HEIGHT - TOP - BOTTOM
    parts = [frame("calibration", [0.0, 0.5, 1.0], ["0", "1"])]
    for place, (certainty, right, count) in enumerate(bins):
        if count:
            x, y = LEFT + step * place + 2, TOP + tall * (1 - right)
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{step - 4:.1f}" height="{tall * right:.1f}" '
                f'class="right" fill-opacity="0.75"><title>{count} answers, {certainty:.0%} sure, '
                f"{right:.0%} right</title></rect>"
            )
    parts.append(
        f'<path d="M{LEFT} {TOP + tall}L{WIDTH - RIGHT} {TOP}" class="ideal"/>'
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 4}" text-anchor="middle">how sure the model is</text>'
    )
    return "".join([*parts, "</svg>"])


def bar(share: float, kind: str = "right") -> str:
    return (
        f'<svg viewBox="0 0 100 8" class="bar" preserveAspectRatio="none">'
        f'<rect width="100" height="8" rx="2" class="rest"/>'
        f'<rect width="{100 * share:.1f}" height="8" rx="2" class="{kind}"/></svg>'
    )


def picture(pixels: NDArray[np.uint8], side: int = 128) -> str:
    """A picture as an address that holds it."""
    data = io.BytesIO()
    Image.fromarray(pixels).resize((side, side)).save(data, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"


def short(name: str, most: int = 22) -> str:
    return escape(name if len(name) <= most else name[: most - 1] + "…")
