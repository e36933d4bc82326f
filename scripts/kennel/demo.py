"""`kennel demo`: the whole chain on this machine, from drawn pictures to an answer over HTTP."""

import errno
import fcntl
import json
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx
from rich.console import Console
from rich.markup import escape

from kennel import artifact, sample
from kennel.data import drawn
from kennel.errors import UserError
from kennel.local import chain
from kennel.local.processes import Processes, clean_environment, listen
from kennel.places import ROOT
from kennel.terminal import bar, ended_by_signals

HOME = Path(".kennel/demo")
TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
SHOWN = 3  # pictures whose answers are printed in full
console = Console(highlight=False)


@click.command()
@click.option("--port", default=8000, show_default=True, help="Of the API, on loopback.")
@click.option("--classes", default=6, show_default=True, help=f"2 to {sample.MOST_CLASSES}")
@click.option("--pictures", default=80, show_default=True, help="Per class to learn from.")
@click.option("--epochs", default=14, show_default=True, help="Passes over the pictures.")
@click.option("--seed", default=1, show_default=True, help="Of every random draw.")
@click.option(
    "--stay/--leave", default=None, help="Keep serving afterwards [default: on a terminal]."
)
def demo(
    *, port: int, classes: int, pictures: int, epochs: int, seed: int, stay: bool | None
) -> None:
    """Draw pictures, train on them, serve the model and classify a picture, all on this machine.

    The trainer, the artifact, the server, the function and the gateway are the real ones; nothing
    needs an AWS account, a container or the network. What it makes stays in .kennel/demo.
    """
    if stay is None:
        stay = sys.stdin.isatty() and sys.stdout.isatty()
    began = time.monotonic()
    counts = {"train": pictures, "valid": max(4, pictures // 6), "test": max(4, pictures // 6)}
    with only_one(), ended_by_signals(), Processes(HOME / "logs") as processes:
        data = draw(classes, counts, seed)
        archive = train(epochs, seed, processes)
        manifest = json.loads((HOME / "serve/model/manifest.json").read_text())
        api = serve(port, processes)
        classify(api, data / "test", manifest)
        seconds = time.monotonic() - began
        console.print(f"\n[bold]Done[/] in {seconds:.0f} s. The model is {archive}.")
        console.print("Try it:" if stay else "With --stay it keeps serving, for calls like this:")
        example, url = min((data / "test").glob("*/*.jpg")), f"{api}/v1/predict?top=3"
        print(f"  curl --data-binary @{example} -H 'Content-Type: image/jpeg' '{url}'")
        if stay:
            console.print("Ctrl-C ends it.")
            serve_until_interrupted(processes)


@contextmanager
def only_one() -> Iterator[None]:
    """A fresh folder for this run; a second run at the same time is refused."""
    HOME.mkdir(parents=True, exist_ok=True)
    with HOME.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError("a demo runs in this folder already: end it first (Ctrl-C)") from None
        shutil.rmtree(HOME)
        HOME.mkdir()
        yield


def step(number: int, title: str, detail: str) -> None:
    console.print(f"\n[bold cyan]{number}/5[/] [bold]{title}[/] [dim]{escape(detail)}[/]")


def draw(classes: int, counts: dict[str, int], seed: int) -> Path:
    folder = HOME / "train/input/data/training"
    step(1, "Draw", f"{classes} classes of labelled pictures, by seed {seed}")
    folder.parent.mkdir(parents=True)
    total = classes * sum(counts.values())
    sizes = drawn(sample.make_set(folder, classes=classes, counts=counts, seed=seed), total)
    console.print(f"  {len(sizes)} pictures, {sum(sizes) / 1e6:.1f} MB, in {folder}")
    return folder


def train(epochs: int, seed: int, processes: Processes) -> Path:
    """Train as SageMaker would: settings, pictures and the model under one folder."""
    root = HOME.absolute() / "train"
    settings = {
        "name": "demo",
        "architecture": "shufflenet_v2_x1_0",
        "size": "64",
        "resize": "72",
        "rate": "0.03",
        "epochs": str(epochs),
        "seed": str(seed),
        "processes": "2",
    }
    (root / "input/config").mkdir()
    (root / "input/config/hyperparameters.json").write_text(json.dumps(settings))
    environment = clean_environment(KENNEL_ML_ROOT=str(root), KENNEL_GIT_COMMIT=git_commit())

    step(
        2, "Train", f"{settings['architecture']} from scratch, 2 processes, data-parallel over gloo"
    )
    console.print("  [dim]loading torch, decoding the pictures ...[/]")
    trainer = processes.start("trainer", "trainer", "train", environment=environment)
    for line in follow(processes.log("trainer"), trainer):
        if line.startswith("event=epoch"):
            console.print(f"  {progress(line)}")
    processes.wait_for("trainer")

    archive = HOME / "model.tar.gz"
    target = str(archive.absolute())
    processes.start("packager", "trainer", "package", target, environment=environment)
    processes.wait_for("packager")
    artifact.unpack(archive, HOME / "serve/model")
    manifest = json.loads((HOME / "serve/model/manifest.json").read_text())
    step(3, "Package", "weights and serving graph with a manifest, a digest for every file")
    console.print(
        f"  {archive}, {archive.stat().st_size / 1e6:.1f} MB, version {manifest['version']}"
    )
    return archive


def git_commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def follow(log: Path, process: subprocess.Popen[bytes]) -> Iterator[str]:
    """The lines of a log as they are written, until its process has ended."""
    with log.open(errors="replace") as file:
        line = ""
        while True:
            ended = process.poll() is not None
            while chunk := file.readline():
                line += chunk
                if line.endswith("\n"):
                    yield line.strip()
                    line = ""
            if ended:
                return
            time.sleep(0.1)


def progress(line: str) -> str:
    values = dict(part.split("=", 1) for part in line.split())
    accuracy = float(values["valid_accuracy"])
    done = f"epoch {values['epoch']:>2}/{values['epochs']}"
    speed = f"{float(values['images_per_second']):.0f} images/s"
    return f"{done}  {bar(accuracy)} {accuracy:6.1%} valid  loss {values['train_loss']}  {speed}"


def serve(port: int, processes: Processes) -> str:
    step(4, "Serve", "gateway → function → SageMaker's runtime API → server")
    began = time.monotonic()
    addresses = chain.start(HOME.absolute() / "serve", listen_at(port), processes)
    console.print(f"  API at {addresses.api}, up in {time.monotonic() - began:.1f} s")
    return addresses.api


def listen_at(port: int) -> socket.socket:
    try:
        return listen(port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise UserError(
                f"cannot listen on port {port}: {error.strerror}; try --port 0"
            ) from error
        listener = listen()
        console.print(f"  port {port} is taken; using {listener.getsockname()[1]}")
        return listener


def classify(api: str, test: Path, manifest: dict[str, object]) -> None:
    """Send every test picture through the chain; what comes back must be what training measured."""
    step(5, "Classify", "the test pictures, which training has not seen, through the API")
    paths = sorted(test.glob("*/*"))
    shown = set(paths[:: max(1, len(paths) // SHOWN)][:SHOWN])
    correct, seconds = 0, []
    with httpx.Client(base_url=api, timeout=30, trust_env=False) as client:
        for path in paths:
            began = time.monotonic()
            answer = client.post(
                "/v1/predict",
                params={"top": 3},
                content=path.read_bytes(),
                headers={"Content-Type": TYPES[path.suffix]},
            )
            seconds.append(time.monotonic() - began)
            if answer.is_error:
                raise UserError(f"{path}: the API answered {answer.status_code}: {answer.text}")
            predictions = answer.json()["predictions"]
            correct += predictions[0]["label"] == path.parent.name
            if path in shown:
                show(path, predictions)
    accuracy = correct / len(paths)
    console.print(
        f"\n  {correct} of {len(paths)} test pictures right ({accuracy:.1%}), "
        f"median {statistics.median(seconds) * 1000:.1f} ms from request to answer"
    )
    measured = manifest["metrics"]["fp32"]["test_accuracy"]  # type: ignore[index]
    if abs(accuracy - measured) > 0.0001:
        raise UserError(f"the chain gets {accuracy:.4f} right, training measured {measured}")


def show(path: Path, predictions: list[dict[str, object]]) -> None:
    console.print(f"\n  [bold]{escape(path.name)}[/] [dim]is {escape(path.parent.name)}[/]")
    for prediction in predictions:
        share, label = float(str(prediction["probability"])), str(prediction["label"])
        colour = "green" if label == path.parent.name else "white"
        console.print(f"  [{colour}]{bar(share)} {share:6.1%}  {escape(label)}[/]")


def serve_until_interrupted(processes: Processes) -> None:
    try:
        while True:
            processes.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("\nended")
