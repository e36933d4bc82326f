"""The inference server against the bare engine and against TorchServe, in one run.

    make bench-serve
    make bench-serve ARGS='--seconds 30'

The same ResNet-50, the same pictures (500 x 400 JPEG of about 55 KB), the same machine. TorchServe,
with its stock image classifier, is installed by this program into build/peers; it needs Java. The
model is hardly trained: speed does not depend on it. The last line is one JSON object.
"""

import argparse
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image

from kennel import sample
from tests.bench.chain import make_model
from tests.bench.load import closed_loop, open_loop

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "build/peers"


def photographs(count: int) -> list[bytes]:
    """Pictures of the size that people send: noise sets the number of bytes."""
    random = np.random.default_rng(1)
    made = []
    for index in range(count):
        drawn = sample.draw(sample.Picture(1, "bench", index, 0), random).resize((500, 400))
        noise = random.normal(0, 13, (400, 500, 1))
        pixels = (np.asarray(drawn) + noise).clip(0, 255).astype(np.uint8)
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "JPEG", quality=85)
        made.append(data.getvalue())
    return made


@dataclass(frozen=True)
class Server:
    command: list[str]
    url: str
    environment: dict[str, str]


class Bare:
    """Decoding and the engine in this process, without HTTP, queue or answer: the limit."""

    def __init__(self, root: Path, streams: int) -> None:
        from server import artifact, pictures
        from server.engine import OpenVino

        self._model = artifact.load(root / "model")
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

    def p50_ms(self, bodies: list[bytes]) -> float:
        taken = []
        for body in bodies * 2:
            began = time.perf_counter()
            self.classify(body)
            taken.append(time.perf_counter() - began)
        return sorted(taken)[len(taken) // 2] * 1000


@contextmanager
def running(server: Server, body: bytes) -> Iterator[tuple[int, float]]:
    """A server process, from its start to its end: its pid and the seconds to its first answer."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            server.command, env=server.environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            while not answers(server.url, body):
                if process.poll() is not None or time.perf_counter() > began + 120:
                    log.seek(0)
                    sys.exit(f"{server.command[0]} serves nothing:\n{log.read().decode()[-3000:]}")
                time.sleep(0.02)
            yield process.pid, time.perf_counter() - began
        finally:
            family = [psutil.Process(process.pid)]
            family += family[0].children(recursive=True)
            process.terminate()
            for survivor in psutil.wait_procs(family, 15)[1]:
                survivor.kill()


def answers(url: str, body: bytes) -> bool:
    try:
        return httpx.post(url, content=body, timeout=20, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def ours(root: Path, port: int) -> Server:
    settings = {"KENNEL_ML_ROOT": str(root), "SAGEMAKER_BIND_TO_PORT": str(port)}
    command = [sys.executable, "-m", "server", "serve"]
    return Server(command, f"http://127.0.0.1:{port}/invocations", os.environ | settings)


CONFIG = """inference_address=http://127.0.0.1:{port}
management_address=http://127.0.0.1:{management}
metrics_address=http://127.0.0.1:{metrics}
model_store={store}
load_models=model.mar
default_workers_per_model=1
disable_token_authorization=true
disable_system_metrics=true
"""


def torchserve(root: Path, port: int) -> Server:
    """TorchServe as its documentation sets it up: eager model, stock handler, defaults."""
    import torch
    from safetensors.torch import load_file

    install("torchserve", "torch-model-archiver", "torch", "torchvision", "captum", "pyyaml")
    work = root / "torchserve"
    work.mkdir()
    (work / "model.py").write_text(
        "from torchvision.models.resnet import Bottleneck, ResNet\n\n\n"
        "class ResNet50(ResNet):\n"
        "    def __init__(self):\n"
        "        super().__init__(Bottleneck, [3, 4, 6, 3], num_classes=5)\n"
    )
    torch.save(load_file(root / "model/model.safetensors"), work / "weights.pth")
    (work / "index_to_name.json").write_text(
        json.dumps({str(index): [str(index)] * 2 for index in range(5)})
    )
    command = [PEERS / "bin/torch-model-archiver", "--model-name=model", "--version=1"]
    command += ["--model-file=model.py", "--serialized-file=weights.pth"]
    command += ["--handler=image_classifier", "--extra-files=index_to_name.json", "--export-path=."]
    logs = {"LOG_LOCATION": str(work), "METRICS_LOCATION": str(work)}
    environment = os.environ | logs | {"PATH": f"{PEERS / 'bin'}:{os.environ['PATH']}"}
    subprocess.run(command, cwd=work, check=True, env=environment)
    ports = {"port": port, "management": port + 1, "metrics": port + 2}
    (work / "config.properties").write_text(CONFIG.format(**ports, store=work))
    start = [str(PEERS / "bin/torchserve"), "--start", "--foreground", "--disable-token-auth"]
    start += [f"--ts-config={work / 'config.properties'}", f"--model-store={work}"]
    return Server(start, f"http://127.0.0.1:{port}/predictions/model", environment)


def install(*packages: str) -> None:
    if not (PEERS / "bin/python").exists():
        subprocess.run(["uv", "venv", "--quiet", f"--python={sys.executable}", PEERS], check=True)
    environment = {**os.environ, "VIRTUAL_ENV": str(PEERS)}
    subprocess.run(["uv", "pip", "install", "--quiet", *packages], env=environment, check=True)


def peak_rss_mb(pid: int, stop: threading.Event, found: list[float]) -> None:
    while not stop.wait(0.2):
        found.append(psutil.Process(pid).memory_info().rss / 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement")
    parser.add_argument("--overload", type=float, default=60, help="seconds at twice the peak")
    options = parser.parse_args()
    if shutil.which("java") is None:
        sys.exit("TorchServe needs Java 17 or newer; install it so that `java` is on PATH")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        counts = {"train": 4, "valid": 1, "test": 1}
        list(sample.make_set(root / "pictures", classes=5, counts=counts, seed=1))
        make_model(root, root / "pictures")
        figures = measure(root, photographs(24), options.seconds, options.overload)
    machine = {"cores": os.cpu_count(), "machine": platform.machine()}
    versions = {name: version(name) for name in ("openvino", "torch")}
    print(json.dumps(figures | machine | versions | {"seconds": options.seconds}))


def measure(
    root: Path, bodies: list[bytes], seconds: float, overload: float
) -> dict[str, float | int]:
    say(f"pictures of {sum(map(len, bodies)) / len(bodies) / 1000:.0f} kB")
    bare = Bare(root, streams=1)
    bare.classify(bodies[0])
    bare_p50 = bare.p50_ms(bodies)
    bare_rps = max(
        bare.rate(bodies, 1, seconds / 2),
        bare.rate(bodies, 2, seconds / 2),
        Bare(root, streams=2).rate(bodies, 2, seconds / 2),
    )
    say(f"bare engine with decoding: {bare_rps:.1f} pictures/s, p50 {bare_p50:.1f} ms")

    server = ours(root, 18080)
    with running(server, bodies[0]) as (pid, ready_s):
        stop, memory = threading.Event(), [0.0]
        watcher = threading.Thread(target=peak_rss_mb, args=(pid, stop, memory))
        watcher.start()
        closed_loop(server.url, bodies, 2, 3)
        alone = closed_loop(server.url, bodies, 1, seconds)
        peak = closed_loop(server.url, bodies, 8, seconds)
        steady = open_loop(server.url, bodies, 0.8 * peak.rate, seconds)
        flood = open_loop(server.url, bodies, 2 * peak.rate, overload)
        stop.set()
        watcher.join()
    say(f"server: {peak.rate:.1f} pictures/s, p50 {alone.percentile_ms(0.5):.1f} ms alone")
    refused = f"{len(flood.refused)} refused, {flood.lost} lost"
    say(f"at twice the peak: {flood.rate:.1f} pictures/s, {refused}")

    peer = torchserve(root, 18090)
    with running(peer, bodies[0]) as (_, their_ready_s):
        closed_loop(peer.url, bodies, 2, 5)
        theirs = closed_loop(peer.url, bodies, 8, seconds)
        their_steady = open_loop(peer.url, bodies, 0.8 * theirs.rate, seconds)
    say(f"TorchServe: {theirs.rate:.1f} pictures/s")
    refusals = sorted(flood.refused) or [0.0]
    return {
        "rps": round(peak.rate, 2),
        "fp32_rps": round(peak.rate, 2),
        "bare_rps": round(bare_rps, 2),
        "torchserve_rps": round(theirs.rate, 2),
        "p50_ms": round(alone.percentile_ms(0.5), 1),
        "bare_p50_ms": round(bare_p50, 1),
        "p99_ms_at_80": round(steady.percentile_ms(0.99), 1),
        "torchserve_p99_ms_at_80": round(their_steady.percentile_ms(0.99), 1),
        "overload_goodput": round(flood.rate / peak.rate, 3),
        "overload_refusal_p99_ms": round(refusals[int(len(refusals) * 0.99)] * 1000, 1),
        "overload_lost": flood.lost,
        "ready_s": round(ready_s, 2),
        "torchserve_ready_s": round(their_ready_s, 2),
        "rss_mb": round(max(memory)),
    }


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
