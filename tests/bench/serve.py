"""The inference server against the bare engine and against its peers, in one run.

    make bench-serve
    make bench-serve ARGS='--seconds 30'

The same ResNet-50, the same pictures (500 x 400 JPEG of about 55 KB, and a 12-megapixel
photograph), the same machine. The peers are TorchServe with its stock image classifier,
multi-model-server with SageMaker's default service, and LitServe with our own decoding and graph;
this program installs them into build/peers, and they need Java. Each runs as its documentation
says. The model is hardly trained: speed does not depend on it. The last line is one JSON object.
"""

import argparse
import io
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from kennel import sample
from tests.bench.chain import make_model
from tests.bench.load import closed_loop, open_loop
from tests.bench.peers import servers

Figures = dict[str, float | int | str]
Measure = Callable[[float], float]  # what it finds in so many seconds
ROUNDS = 10  # in which what is compared takes turns: a shared machine's speed changes by the minute
AT_LEAST = {
    "rps_over_bare": 0.92,
    "rps_over_torchserve": 7.0,
    "fp32_rps_over_torchserve": 2.0,
    "overload_goodput": 0.9,
}
AT_MOST = {
    "p50_over_bare": 1.15,
    "p99_at_80_over_torchserve": 0.5,
    "overload_refusal_p99_ms": 100,
    "overload_lost": 0,
    "ready_s": 3.0,
    "rss_mb": 700,
}


def photographs(count: int, size: tuple[int, int] = (500, 400), noise: float = 2) -> list[bytes]:
    """Pictures of the size that people send: noise sets the number of bytes."""
    random = np.random.default_rng(1)
    made = []
    for index in range(count):
        drawn = sample.draw(sample.Picture(1, "bench", index, 0), random).resize(size)
        grain = random.normal(0, noise, (size[1], size[0], 1))
        pixels = (np.asarray(drawn) + grain).clip(0, 255).astype(np.uint8)
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "JPEG", quality=85)
        made.append(data.getvalue())
    return made


class Bare:
    """Decoding and the engine in this process, without HTTP, queue or answer: the limit."""

    def __init__(self, model: Path, streams: int, *, fp32: bool = False) -> None:
        from server import artifact, cpu, pictures
        from server.engine import OpenVino

        self._model = artifact.load(model, int8=cpu.has_int8() and not fp32)
        self.precision = self._model.precision
        self._engine = OpenVino(self._model, streams)
        self._decode = pictures.decode

    def classify(self, body: bytes) -> None:
        self._engine.infer(self._decode(body, self._model.resize, self._model.size)[None])

    def rate(self, bodies: list[bytes], threads: int, seconds: float) -> float:
        began = time.perf_counter()

        def work(number: int) -> int:
            turn = number
            while time.perf_counter() < began + seconds:
                self.classify(bodies[turn % len(bodies)])
                turn += threads
            return (turn - number) // threads

        with ThreadPoolExecutor(threads) as pool:
            done = sum(pool.map(work, range(threads)))
        return done / (time.perf_counter() - began)

    def p50_ms(self, bodies: list[bytes], seconds: float) -> float:
        taken: list[float] = []
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            self.classify(bodies[len(taken) % len(bodies)])
            taken.append(time.perf_counter() - began)
        return statistics.median(taken) * 1000


def fastest(model: Path, bodies: list[bytes], seconds: float, *, fp32: bool = False) -> Measure:
    """Of the ways to keep two cores busy, whichever serves the bare engine best."""
    one, two = Bare(model, streams=1, fp32=fp32), Bare(model, streams=2, fp32=fp32)
    ways = [partial(one.rate, bodies, threads) for threads in (1, 2)]
    ways += [partial(two.rate, bodies, threads) for threads in (2, 4)]
    return max(ways, key=lambda way: way(seconds))


def in_turn(seconds: float, **measures: Measure) -> dict[str, list[float]]:
    """What each gives in every round; together they take `seconds` each."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            found[name].append(measure(seconds / ROUNDS))
    return found


def over(mine: list[float], theirs: list[float]) -> float:
    """The ratio, from neighbours in time only."""
    return round(statistics.median(a / b for a, b in zip(mine, theirs, strict=True)), 3)


def alone(url: str, bodies: list[bytes]) -> Measure:
    return lambda seconds: closed_loop(url, bodies, 1, seconds).p50_ms


def at_eight(url: str, bodies: list[bytes]) -> Measure:
    return lambda seconds: closed_loop(url, bodies, 8, seconds).rate


class Memory:
    """The largest resident memory of a process and its children, while the block runs."""

    def __init__(self, pid: int) -> None:
        self._process, self._stop = psutil.Process(pid), threading.Event()
        self.samples: list[float] = []
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> "Memory":
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            family = [self._process, *self._process.children(recursive=True)]
            self.samples.append(sum(each.memory_info().rss for each in family) / 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement")
    parser.add_argument("--overload", type=float, default=60, help="seconds at twice the peak")
    options = parser.parse_args()
    if shutil.which("java") is None:
        sys.exit("the peers need Java 17 or newer; install it so that `java` is on PATH")
    say("installing the peers into build/peers ...")
    versions = servers.install() | {"openvino": version("openvino")}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        say("making a ResNet-50 artifact ...")
        counts = {"train": 8, "valid": 1, "test": 2}
        list(sample.make_set(root / "pictures", classes=5, counts=counts, seed=1))
        # The margin is wide: a model that has learned nothing says nothing about int8.
        make_model(root, root / "pictures", quantise="true", margin="100")
        figures = measure(root, options.seconds, options.overload)
        figures |= measure_peers(root, options.seconds)
    for mine, ratio in (("fp32_rps", "fp32_rps_over"), ("p99_ms_at_80", "p99_at_80_over")):
        theirs = "torchserve_" + mine.removeprefix("fp32_")
        figures[f"{ratio}_torchserve"] = round(float(figures[mine]) / float(figures[theirs]), 3)
    judge(figures)
    machine = {"processor": processor(), "cores": os.cpu_count(), "seconds": options.seconds}
    print(json.dumps(figures | machine | {"versions": versions}))


def measure(root: Path, seconds: float, overload: float) -> Figures:
    bodies, phone = photographs(24), photographs(3, (4000, 3000), 5)
    say(f"pictures of {mean_kb(bodies):.0f} kB, photographs of {mean_kb(phone):.0f} kB")
    bare = Bare(root / "model", streams=1)
    bare.classify(bodies[0])
    bare_rate = fastest(root / "model", bodies, seconds / 3)
    ours = servers.ours(root, 18080)
    with servers.running(ours, bodies[0]) as (pid, ready_s), Memory(pid) as memory:
        closed_loop(ours.url, bodies, 2, 3)
        p50 = in_turn(seconds, bare=partial(bare.p50_ms, bodies), ours=alone(ours.url, bodies))
        large = in_turn(seconds, bare=partial(bare.p50_ms, phone), ours=alone(ours.url, phone))
        rps = in_turn(seconds, bare=bare_rate, ours=at_eight(ours.url, bodies))
        peak = statistics.mean(rps["ours"])
        steady = open_loop(ours.url, bodies, 0.8 * peak, seconds)
        before = max(memory.samples)
        flood = open_loop(ours.url, bodies, 2 * peak, overload)
        after = max(memory.samples)
    say(f"{bare.precision}: bare engine {mean(rps['bare'])} pictures/s, server {mean(rps['ours'])}")
    say(f"alone: bare engine {mean(p50['bare'])} ms, server {mean(p50['ours'])} ms")
    say(f"twice the peak: {flood.rate:.1f} pictures/s, {len(flood.refused)} refused")
    bare_rate = fastest(root / "model", bodies, seconds / 3, fp32=True)
    ours = servers.ours(root, 18080, KENNEL_PRECISION="fp32")
    with servers.running(ours, bodies[0]):
        closed_loop(ours.url, bodies, 2, 3)
        fp32 = in_turn(seconds, bare=bare_rate, ours=at_eight(ours.url, bodies))
    say(f"fp32: bare engine {mean(fp32['bare'])} pictures/s, server {mean(fp32['ours'])}")
    refusals = sorted(flood.refused) or [0.0]
    return {
        "precision": bare.precision,
        "rps": mean(rps["ours"]),
        "bare_rps": mean(rps["bare"]),
        "rps_over_bare": over(rps["ours"], rps["bare"]),
        "fp32_rps": mean(fp32["ours"]),
        "bare_fp32_rps": mean(fp32["bare"]),
        "p50_ms": mean(p50["ours"]),
        "bare_p50_ms": mean(p50["bare"]),
        "p50_over_bare": over(p50["ours"], p50["bare"]),
        "phone_p50_ms": mean(large["ours"]),
        "bare_phone_p50_ms": mean(large["bare"]),
        "p99_ms_at_80": round(steady.percentile_ms(0.99), 1),
        "overload_goodput": round(flood.rate / peak, 3),
        "overload_refusal_p99_ms": round(refusals[int(len(refusals) * 0.99)] * 1000, 1),
        "overload_lost": flood.lost,
        "overload_growth_mb": round(after - before),
        "ready_s": round(ready_s, 2),
        "rss_mb": round(max(memory.samples)),
    }


def measure_peers(root: Path, seconds: float) -> Figures:
    """Each beside our server, which has no work while the peer has."""
    weights, pictures = root / "model/model.safetensors", photographs(24)
    peers = {
        "torchserve": servers.torchserve(weights, root / "torchserve", 18090),
        "multi_model_server": servers.multi_model_server(weights, root / "mms", 18100),
        "litserve": servers.litserve(root / "model", root / "litserve", 18110),
    }
    figures: Figures = {}
    ours = servers.ours(root, 18080)
    with servers.running(ours, pictures[0]):
        for name, peer in peers.items():
            bodies = list(map(peer.form, pictures))
            with servers.running(peer, pictures[0]) as (pid, ready_s), Memory(pid) as memory:
                closed_loop(peer.url, bodies, 2, 5)
                p50 = alone(peer.url, bodies)(seconds)
                rps = in_turn(
                    seconds, peer=at_eight(peer.url, bodies), ours=at_eight(ours.url, pictures)
                )
                peak = statistics.mean(rps["peer"])
                steady = open_loop(peer.url, bodies, 0.8 * peak, seconds)
            say(f"{name}: {peak:.1f} pictures/s, p50 {p50:.1f} ms alone")
            figures |= {
                f"{name}_rps": mean(rps["peer"]),
                f"rps_over_{name}": over(rps["ours"], rps["peer"]),
                f"{name}_p50_ms": round(p50, 1),
                f"{name}_p99_ms_at_80": round(steady.percentile_ms(0.99), 1),
                f"{name}_ready_s": round(ready_s, 1),
                f"{name}_rss_mb": round(max(memory.samples)),
            }
    return figures


def judge(figures: Figures) -> None:
    """What the project promises of these figures, said whether it holds or not."""
    for limits, sign in ((AT_LEAST, 1), (AT_MOST, -1)):
        for name, limit in limits.items():
            found = float(figures[name])
            verdict = "holds" if sign * found >= sign * limit else "MISSED"
            say(f"{name}: {found}, at {'least' if sign > 0 else 'most'} {limit}: {verdict}")


def mean(values: list[float]) -> float:
    return round(statistics.mean(values), 1)


def mean_kb(bodies: list[bytes]) -> float:
    return sum(map(len, bodies)) / len(bodies) / 1000


def processor() -> str:
    """The name of the processor and the instructions that decide the speed of int8 and bf16."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    name = next(line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line)
    known = [
        flag for flag in ("avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8") if flag in text
    ]
    return " ".join([name, *known])


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
