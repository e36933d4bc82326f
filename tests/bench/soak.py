"""The inference server under load for ten minutes, and what becomes of its memory.

    python -m tests.bench.soak --minutes 10 --curve docs/soak.svg

Eight clients send what strangers send: small pictures, photographs of 12 megapixels, pictures cut
short, and bytes that are no picture. The last line is one JSON object.
"""

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import psutil

from kennel import sample
from tests.bench.chain import make_model
from tests.bench.load import Outcome, closed_loop
from tests.bench.peers import servers
from tests.bench.serve import photographs, processor

CURVE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" \
font-family="sans-serif" font-size="12">
<title>{title}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="{left}" y="18">{title}</text>
{lines}
<polyline fill="none" stroke="#1f6feb" stroke-width="1.5" points="{points}"/>
</svg>
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--curve", type=Path, help="where to draw the memory, as SVG")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        counts = {"train": 8, "valid": 1, "test": 2}
        list(sample.make_set(root / "pictures", classes=5, counts=counts, seed=1))
        make_model(root, root / "pictures", quantise="true", margin="100")
        outcome, memory = soak(root, options.minutes * 60)
    # From the second minute on: the first one fills pools and caches.
    settled = memory[len(memory) // max(2, round(options.minutes)) :]
    third = max(1, len(settled) // 3)
    first, last = (sum(part) / len(part) for part in (settled[:third], settled[-third:]))
    figures = {
        "minutes": options.minutes,
        "requests": len(outcome.served) + len(outcome.refused),
        "served": len(outcome.served),
        "refused": len(outcome.refused),
        "lost": outcome.lost,
        "rss_mb_first_third": round(first, 1),
        "rss_mb_last_third": round(last, 1),
        "rss_mb_max": round(max(memory), 1),
        "processor": processor(),
    }
    if options.curve:
        options.curve.write_text(drawn(memory, options.minutes))
    print(json.dumps(figures))


def soak(root: Path, seconds: float) -> tuple[Outcome, list[float]]:
    good, phone = photographs(24), photographs(2, (4000, 3000), 5)
    cut_short = [body[: len(body) // 2] for body in good[:4]]
    bodies = [*good, *phone, *cut_short, b"not a picture", b"\xff\xd8\xff" + bytes(1000)]
    server, memory, stop = servers.ours(root, 18080), [], threading.Event()
    with servers.running(server, good[0]) as (pid, _):
        process = psutil.Process(pid)

        def watch() -> None:
            while not stop.wait(1):
                memory.append(process.memory_info().rss / 2**20)

        watcher = threading.Thread(target=watch)
        watcher.start()
        began = time.monotonic()
        outcome = closed_loop(server.url, bodies, 8, seconds)
        print(f"{time.monotonic() - began:.0f} s, {len(outcome.served)} served", flush=True)
        stop.set()
        watcher.join()
    return outcome, memory


def drawn(memory: list[float], minutes: float) -> str:
    """The curve with its two axes, megabytes from zero up."""
    width, height, left, top = 640, 240, 60, 30
    most = max(100, -(-int(max(memory)) // 100) * 100)

    def across(share: float) -> float:
        return round(left + share * (width - left - 20), 1)

    def up(megabytes: float) -> float:
        return round(top + (1 - megabytes / most) * (height - top - 40), 1)

    lines = [
        f'<line x1="{left}" x2="{width - 20}" y1="{up(mb)}" y2="{up(mb)}" stroke="#d0d7de"/>'
        f'<text x="{left - 8}" y="{up(mb) + 4}" text-anchor="end">{mb} MB</text>'
        for mb in range(0, most + 1, 100)
    ]
    lines += [
        f'<text x="{across(share / 5)}" y="{height - 16}" text-anchor="middle">'
        f"{minutes * share / 5:g} min</text>"
        for share in range(6)
    ]
    points = " ".join(
        f"{across(turn / max(1, len(memory) - 1))},{up(mb)}" for turn, mb in enumerate(memory)
    )
    title = f"Resident memory of the inference server, {minutes:g} minutes of mixed requests"
    return CURVE.format(
        width=width, height=height, left=left, title=title, lines="\n".join(lines), points=points
    )


if __name__ == "__main__":
    main()
