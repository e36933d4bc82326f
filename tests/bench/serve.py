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
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from kennel import sample
from tests.bench.chain import make_model
from tests.bench.load import Outcome, closed_loop, open_loop
from tests.bench.peers import servers

Figures = dict[str, float | int | str | None]
LIMITS = (
    ("rps", ">=", 0.92, "bare_rps"),
    ("rps", ">=", 7.0, "torchserve_rps"),
    ("fp32_rps", ">=", 2.0, "torchserve_rps"),
    ("p50_ms", "<=", 1.15, "bare_p50_ms"),
    ("p99_ms_at_80", "<=", 0.5, "torchserve_p99_ms_at_80"),
)


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
        until, done = time.perf_counter() + seconds, []

        def work(number: int) -> None:
            turn = number
            while time.perf_counter() < until:
                self.classify(bodies[turn % len(bodies)])
                done.append(1)
                turn += threads

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
        return len(done) / seconds

    def p50_ms(self, bodies: list[bytes], times: int) -> float:
        taken = []
        for turn in range(times):
            began = time.perf_counter()
            self.classify(bodies[turn % len(bodies)])
            taken.append(time.perf_counter() - began)
        return sorted(taken)[times // 2] * 1000


def best_rate(model: Path, bodies: list[bytes], seconds: float, *, fp32: bool = False) -> float:
    """Of the ways to keep two cores busy, whichever serves the engine best."""
    one, two = Bare(model, streams=1, fp32=fp32), Bare(model, streams=2, fp32=fp32)
    return max(
        one.rate(bodies, 1, seconds / 2),
        one.rate(bodies, 2, seconds / 2),
        two.rate(bodies, 2, seconds / 2),
        two.rate(bodies, 4, seconds / 2),
    )


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
    judge(figures)
    machine = {"processor": processor(), "cores": os.cpu_count(), "seconds": options.seconds}
    print(json.dumps(figures | machine | {"versions": versions}))


def measure(root: Path, seconds: float, overload: float) -> Figures:
    bodies, phone = photographs(24), photographs(3, (4000, 3000), 5)
    say(f"pictures of {mean_kb(bodies):.0f} kB, photographs of {mean_kb(phone):.0f} kB")
    bare = Bare(root / "model", streams=1)
    bare.classify(bodies[0])
    bare_p50, bare_phone = bare.p50_ms(bodies, 100), bare.p50_ms(phone, 30)
    bare_rps = best_rate(root / "model", bodies, seconds)
    bare_fp32 = best_rate(root / "model", bodies, seconds, fp32=True)
    say(f"bare engine, {bare.precision}: {bare_rps:.1f} pictures/s, p50 {bare_p50:.1f} ms")

    server = servers.ours(root, 18080)
    with servers.running(server, bodies[0]) as (pid, ready_s), Memory(pid) as memory:
        closed_loop(server.url, bodies, 2, 3)
        alone = closed_loop(server.url, bodies, 1, seconds)
        photographed = closed_loop(server.url, phone, 1, seconds)
        peak = closed_loop(server.url, bodies, 8, seconds)
        steady = open_loop(server.url, bodies, 0.8 * peak.rate, seconds)
        before = max(memory.samples)
        flood = open_loop(server.url, bodies, 2 * peak.rate, overload)
        after = max(memory.samples)
    say(f"server, {bare.precision}: {peak.rate:.1f} pictures/s, p50 {alone.p50_ms:.1f} ms alone")
    refused = f"{len(flood.refused)} refused, {flood.lost} lost"
    say(f"at twice the peak: {flood.rate:.1f} pictures/s, {refused}")
    with servers.running(servers.ours(root, 18080, KENNEL_PRECISION="fp32"), bodies[0]):
        closed_loop(server.url, bodies, 2, 3)
        fp32 = closed_loop(server.url, bodies, 8, seconds)
    say(f"server, fp32: {fp32.rate:.1f} pictures/s")
    refusals = sorted(flood.refused) or [0.0]
    return {
        "precision": bare.precision,
        "rps": round(peak.rate, 2),
        "bare_rps": round(bare_rps, 2),
        "fp32_rps": round(fp32.rate, 2),
        "bare_fp32_rps": round(bare_fp32, 2),
        "p50_ms": round(alone.p50_ms, 1),
        "bare_p50_ms": round(bare_p50, 1),
        "phone_p50_ms": round(photographed.p50_ms, 1),
        "bare_phone_p50_ms": round(bare_phone, 1),
        "p99_ms_at_80": round(steady.percentile_ms(0.99), 1),
        "overload_goodput": round(flood.rate / peak.rate, 3),
        "overload_refusal_p99_ms": round(refusals[int(len(refusals) * 0.99)] * 1000, 1),
        "overload_lost": flood.lost,
        "overload_growth_mb": round(after - before),
        "ready_s": round(ready_s, 2),
        "rss_mb": round(max(memory.samples)),
    }


def measure_peers(root: Path, seconds: float) -> Figures:
    weights, pictures = root / "model/model.safetensors", photographs(24)
    started = {
        "torchserve": servers.torchserve(weights, root / "torchserve", 18090),
        "multi_model_server": servers.multi_model_server(weights, root / "mms", 18100),
        "litserve": servers.litserve(root / "model", root / "litserve", 18110),
    }
    figures: Figures = {}
    for name, server in started.items():
        bodies = list(map(server.form, pictures))
        with servers.running(server, pictures[0]) as (pid, ready_s), Memory(pid) as memory:
            closed_loop(server.url, bodies, 2, 5)
            alone = closed_loop(server.url, bodies, 1, seconds)
            peak = closed_loop(server.url, bodies, 8, seconds)
            steady = open_loop(server.url, bodies, 0.8 * peak.rate, seconds)
        say(f"{name}: {peak.rate:.1f} pictures/s, p50 {alone.p50_ms:.1f} ms alone")
        figures |= peer_figures(name, peak, alone, steady)
        figures |= {f"{name}_ready_s": round(ready_s, 1)}
        figures |= {f"{name}_rss_mb": round(max(memory.samples))}
    return figures


def peer_figures(name: str, peak: Outcome, alone: Outcome, steady: Outcome) -> Figures:
    return {
        f"{name}_rps": round(peak.rate, 2),
        f"{name}_p50_ms": round(alone.p50_ms, 1),
        f"{name}_p99_ms_at_80": round(steady.percentile_ms(0.99), 1),
    }


def judge(figures: Figures) -> None:
    """What the project promises of these figures, said whether it holds or not."""
    for name, sign, factor, other in LIMITS:
        mine, theirs = float(figures[name] or 0), float(figures[other] or 0)
        holds = mine >= factor * theirs if sign == ">=" else mine <= factor * theirs
        ratio = mine / theirs if theirs else float("inf")
        verdict = "holds" if holds else "MISSED"
        say(f"{name} / {other}: {ratio:.2f}, asked {sign} {factor}: {verdict}")


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
