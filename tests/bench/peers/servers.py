"""How each server is set up and started, as its own documentation says."""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.bench.load import Client

ROOT = Path(__file__).resolve().parents[3]
PEERS = ROOT / "build/peers"
HERE = Path(__file__).parent
# No lock: a peer is measured as it comes today, and its version stands in the result. An
# environment each: TorchServe and multi-model-server bring different modules of the same name.
TORCH = ("torch", "torchvision", "setuptools")
PACKAGES = {
    "torchserve": ("torch-model-archiver", "captum", "pyyaml", *TORCH),  # what its handler imports
    "multi-model-server": ("sagemaker-inference", "safetensors", *TORCH),
    "litserve": ("--requirement", ROOT / "images/serve/requirements.in"),
}


@dataclass(frozen=True)
class Server:
    command: list[str]
    url: str
    environment: dict[str, str]
    folder: Path = ROOT  # that it starts in, and may write logs to
    form: Callable[[bytes], bytes] = bytes  # of a picture as its requests carry it


def install() -> dict[str, str]:
    """Every peer in its environment, and the version that it got."""
    found = {}
    for peer, packages in PACKAGES.items():
        folder = PEERS / peer
        if not (folder / "bin/python").exists():
            run(["uv", "venv", "--quiet", f"--python={sys.executable}", folder])
        command = ["uv", "pip", "install", "--quiet", peer, *packages]
        run(command, env=os.environ | {"VIRTUAL_ENV": str(folder)})
        asked = f"from importlib.metadata import version; print(version('{peer}'))"
        shown = run([folder / "bin/python", "-c", asked], stdout=subprocess.PIPE)
        found[peer] = shown.stdout.decode().strip()
    return found


def run(command: list[str | Path], **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, check=True, **options)


def ours(root: Path, port: int, **more: str) -> Server:
    settings = {"KENNEL_ML_ROOT": str(root), "SAGEMAKER_BIND_TO_PORT": str(port)} | more
    command = [sys.executable, "-m", "server", "serve"]
    return Server(command, f"http://127.0.0.1:{port}/invocations", os.environ | settings)


def environment(peer: str, work: Path, **more: str) -> dict[str, str]:
    """Its own programs first, and its own place for the files that say which server runs."""
    path = f"{PEERS / peer / 'bin'}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "TMPDIR": str(work)} | more


TORCHSERVE = """inference_address=http://127.0.0.1:{port}
management_address=http://127.0.0.1:{management}
metrics_address=http://127.0.0.1:{metrics}
model_store={store}
load_models=model.mar
default_workers_per_model=1
disable_token_authorization=true
disable_system_metrics=true
"""


def torchserve(weights: Path, work: Path, port: int) -> Server:
    """Eager model, stock image classifier, defaults."""
    import torch
    from safetensors.torch import load_file

    work.mkdir()
    (work / "model.py").write_text(
        "from torchvision.models.resnet import Bottleneck, ResNet\n\n\n"
        "class ResNet50(ResNet):\n"
        "    def __init__(self):\n"
        "        super().__init__(Bottleneck, [3, 4, 6, 3], num_classes=5)\n"
    )
    torch.save(load_file(weights), work / "weights.pth")
    (work / "index_to_name.json").write_text(
        json.dumps({str(index): [str(index)] * 2 for index in range(5)})
    )
    command = [PEERS / "torchserve/bin/torch-model-archiver", "--model-name=model", "--version=1"]
    command += ["--model-file=model.py", "--serialized-file=weights.pth"]
    command += ["--handler=image_classifier", "--extra-files=index_to_name.json", "--export-path=."]
    settings = environment("torchserve", work, LOG_LOCATION=str(work), METRICS_LOCATION=str(work))
    run(command, cwd=work, env=settings)
    ports = {"port": port, "management": port + 1, "metrics": port + 2}
    (work / "config.properties").write_text(TORCHSERVE.format(**ports, store=work))
    start = [
        str(PEERS / "torchserve/bin/torchserve"),
        "--start",
        "--foreground",
        "--disable-token-auth",
    ]
    start += [f"--ts-config={work / 'config.properties'}", f"--model-store={work}"]
    return Server(start, f"http://127.0.0.1:{port}/predictions/model", settings, work)


MULTI_MODEL_SERVER = """inference_address=http://127.0.0.1:{port}
management_address=http://127.0.0.1:{management}
model_store={store}
load_models=ALL
default_workers_per_model=1
decode_input_request=false
enable_envvars_config=true
"""


def multi_model_server(weights: Path, work: Path, port: int) -> Server:
    """SageMaker's toolkit with its default service and the four functions, as it starts them."""
    model = work / "model"
    (model / "code").mkdir(parents=True)
    (model / "code/inference.py").write_text((HERE / "torch_service.py").read_text())
    store = work / "store"
    store.mkdir()
    command = [
        PEERS / "multi-model-server/bin/model-archiver",
        "--model-name=model",
        f"--model-path={model}",
    ]
    command += ["--handler=sagemaker_inference.default_handler_service"]
    command += [f"--export-path={store}", "--archive-format=no-archive"]
    settings = environment(
        "multi-model-server",
        work,
        SAGEMAKER_BASE_DIR=str(work),
        PYTHONPATH=str(model / "code"),
        BENCH_WEIGHTS=str(weights),
    )
    run(command, env=settings)
    ports = {"port": port, "management": port + 1}
    (work / "config.properties").write_text(MULTI_MODEL_SERVER.format(**ports, store=store))
    start = [str(PEERS / "multi-model-server/bin/multi-model-server"), "--start", "--foreground"]
    start += [f"--mms-config={work / 'config.properties'}", f"--model-store={store}"]
    return Server(start, f"http://127.0.0.1:{port}/predictions/model", settings, work)


def litserve(model: Path, work: Path, port: int) -> Server:
    """Our decoding and graph behind its queue and batching."""
    work.mkdir()
    settings = environment(
        "litserve",
        work,
        BENCH_MODEL=str(model),
        BENCH_PORT=str(port),
        PYTHONPATH=str(ROOT / "images/serve"),
    )
    command = [str(PEERS / "litserve/bin/python"), str(HERE / "litserve_service.py")]
    return Server(command, f"http://127.0.0.1:{port}/predict", settings, work, form=as_json)


def as_json(picture: bytes) -> bytes:
    """LitServe takes no bare bytes."""
    return json.dumps({"picture": base64.b64encode(picture).decode()}).encode()


@contextmanager
def running(server: Server, body: bytes) -> Iterator[tuple[int, float]]:
    """A server process, from its start to its end: its pid and the seconds to its first answer."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            server.command,
            cwd=server.folder,
            env=server.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            while not answers(server.url, server.form(body)):
                if process.poll() is not None or time.perf_counter() > began + 120:
                    log.seek(0)
                    sys.exit(f"{server.command[0]} serves nothing:\n{log.read().decode()[-3000:]}")
                time.sleep(0.02)
            yield process.pid, time.perf_counter() - began
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    family = [psutil.Process(process.pid)]
    family += family[0].children(recursive=True)
    process.terminate()
    for survivor in psutil.wait_procs(family, 15)[1]:
        survivor.kill()


def answers(url: str, body: bytes) -> bool:
    """Asked with next to no work of our own, which a server that starts would have to wait for."""
    client = Client(url)
    try:
        return client.post(body) == 200
    except (OSError, ValueError):
        return False
    finally:
        client.close()
