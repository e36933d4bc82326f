"""What each station of the request path costs, side by side in one run.

    make bench                 ResNet-50 at 224 pixels, 200 requests at each station
    make bench ARGS='--requests 50'

Stations: decoding and inference alone in this process; the same behind the server; the whole chain
of gateway, function, runtime API and server. The model is hardly trained: speed does not depend on
it. The last line is one JSON object.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from kennel import sample
from kennel.local import chain
from kennel.local.processes import Processes, listen


def make_model(root: Path, pictures: Path, **settings: str) -> None:
    """A ResNet-50 artifact in `root`, by a run of the trainer as short as can be."""
    (root / "input/config").mkdir(parents=True)
    (root / "input/data").mkdir()
    (root / "input/data/training").symlink_to(pictures)
    shortest = {"architecture": "resnet50", "epochs": "1", "batch": "8", "quantise": "false"}
    (root / "input/config/hyperparameters.json").write_text(json.dumps(shortest | settings))
    subprocess.run(
        [sys.executable, "-m", "trainer", "train"],
        env=os.environ | {"KENNEL_ML_ROOT": str(root)},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def bare(root: Path) -> Callable[[bytes], object]:
    from server import artifact, pictures
    from server.engine import OpenVino

    loaded = artifact.load(root / "model")
    engine = OpenVino(loaded, streams=1)
    return lambda content: engine.infer(pictures.decode(content, loaded.resize, loaded.size)[None])


def posted(client: httpx.Client, url: str) -> Callable[[bytes], object]:
    def post(content: bytes) -> object:
        answer = client.post(url, content=content, headers={"Content-Type": "image/jpeg"})
        return answer.raise_for_status()

    return post


def measure(
    stations: dict[str, Callable[[bytes], object]], pictures: list[bytes], requests: int
) -> dict[str, list[float]]:
    """Milliseconds of each request; the stations take turns, so that drift hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in stations}
    for number in range(-10, requests):  # the first ten warm up
        content = pictures[number % len(pictures)]
        for name, call in stations.items():
            began = time.perf_counter()
            call(content)
            if number >= 0:
                taken[name].append((time.perf_counter() - began) * 1000)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200)
    requests = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        print("drawing pictures, making a ResNet-50 artifact ...", flush=True)
        counts = {"train": 8, "valid": 1, "test": 1}
        list(sample.make_set(root / "pictures", classes=2, counts=counts, seed=1))
        make_model(root / "serve", root / "pictures")
        pictures = [path.read_bytes() for path in sorted(root.glob("pictures/train/*/*.jpg"))]

        client = httpx.Client(timeout=60, trust_env=False)
        with Processes(root / "logs") as processes, client:
            addresses = chain.start(root / "serve", listen(), processes)
            stations = {
                "decode and infer": bare(root / "serve"),
                "server": posted(client, f"{addresses.server}/invocations"),
                "chain": posted(client, f"{addresses.api}/v1/predict"),
            }
            taken = measure(stations, pictures, requests)
    show(taken, requests)


def show(taken: dict[str, list[float]], requests: int) -> None:
    table = Table(
        "station", "p50 ms", "p90 ms", "p99 ms", title=f"{requests} requests, one at a time"
    )
    figures: dict[str, object] = {}
    for name, values in taken.items():
        cuts = statistics.quantiles(values, n=100)
        table.add_row(name, *(f"{cuts[p - 1]:.1f}" for p in (50, 90, 99)))
        figures[f"{name.replace(' ', '_')}_p50_ms"] = round(cuts[49], 2)
    Console().print(table)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "n": requests}
    print(json.dumps(figures | machine | {"openvino": version("openvino")}))


if __name__ == "__main__":
    main()
