"""What the function costs: its cold start, its own share of a request, its memory, its zip.

    python -m tests.bench.invoke

The last line is one JSON object. The cold start is compared, run by run in turn, with that of the
reference: a handler that makes `boto3.client` as it is imported. Both run from a folder without
compiled modules, as on Lambda, in fresh processes. A request's own time is what is left of it when
fetch and invoke are taken away; both go to real servers on loopback.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RUNS = 9
ROOT = Path(__file__).resolve().parents[2]
LIMITS = {"import_ratio": 0.6, "overhead_ms": 2.0, "rss_mb": 100.0, "zip_kb": 60.0}
REFERENCE = """
import json
import boto3

client = boto3.client("sagemaker-runtime")


def handle(event, context):
    print(context)
    client = boto3.client("sagemaker-runtime")
    answer = client.invoke_endpoint(
        EndpointName="kennel", ContentType="application/json", Body=json.dumps(event)
    )
    return {"statusCode": 200, "body": json.loads(answer["Body"].read())}
"""
IMPORT = """
import sys, time
began = time.perf_counter()
import {module}
print(time.perf_counter() - began)
"""
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "KENNEL_ENDPOINT": "kennel",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_EC2_METADATA_DISABLED": "true",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class World(BaseHTTPRequestHandler):
    """The endpoint and the hosts of pictures: any number of bytes is sent as asked in the path."""

    protocol_version = "HTTP/1.1"
    ANSWER = json.dumps(
        {
            "model": {"name": "bench", "version": "1"},
            "predictions": [{"label": f"{i:03}.breed", "probability": 0.2} for i in range(5)],
        }
    ).encode()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(self.ANSWER)

    def do_GET(self) -> None:
        self._send(picture(int(self.path.strip("/"))))

    def _send(self, content: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n"
        self.wfile.write(head.encode() + content)

    def log_message(self, *_: object) -> None:
        pass


def picture(size: int) -> bytes:
    """What passes for a JPEG of 500 by 400 with so many bytes."""
    head = bytes.fromhex("ffd8ffc0001108019001f4") + bytes(10)
    return head.ljust(size, b"\0")


@contextmanager
def world() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), World) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run(folder: Path, *arguments: str, environment: dict[str, str] = ENVIRONMENT) -> str:
    """A fresh process that finds the function in the folder, and no compiled modules of it."""
    result = subprocess.run(
        [sys.executable, *arguments],
        env=environment | {"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return result.stdout


def seconds_to_import(folder: Path, module: str) -> float:
    return float(run(folder, "-c", IMPORT.format(module=module)))


def compile_packages(folder: Path) -> None:
    """Lambda's own packages come compiled; the function's modules do not."""
    writing = {k: v for k, v in ENVIRONMENT.items() if k != "PYTHONDONTWRITEBYTECODE"}
    code = "import reference, urllib3.connection, concurrent.futures.thread"
    run(folder, "-c", code, environment=writing)
    shutil.rmtree(folder / "__pycache__")


def import_times(folder: Path) -> tuple[list[float], list[float]]:
    """Ours and the reference's, in turn, so that a slow moment of the machine meets both."""
    compile_packages(folder)
    pairs = [
        (seconds_to_import(folder, "invoke.handler"), seconds_to_import(folder, "reference"))
        for _ in range(RUNS)
    ]
    ours, theirs = zip(*pairs, strict=True)
    return list(ours), list(theirs)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = folder / "function.zip"
        pack = [sys.executable, str(ROOT / "scripts/tools/function_zip.py"), str(archive)]
        subprocess.run(pack, check=True, capture_output=True)
        zipfile.ZipFile(archive).extractall(folder)
        (folder / "reference.py").write_text(REFERENCE)
        ours, theirs = import_times(folder)
        with world() as address:
            # -P: beside the script lies this file, which is called like the function.
            script = Path(__file__).with_name("invoke_requests.py")
            requests = json.loads(run(folder, "-P", str(script), address))
        kilobytes = archive.stat().st_size / 1024
    figures = {
        "import_ratio": statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
        "import_ms": statistics.median(ours) * 1000,
        "reference_import_ms": statistics.median(theirs) * 1000,
        **requests,
        "zip_kb": kilobytes,
    }
    for name, value in figures.items():
        limit = f"  (limit {LIMITS[name]:g})" if name in LIMITS else ""
        print(f"{name:>22}  {value:8.3f}{limit}")
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
    return int(any(figures[name] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
