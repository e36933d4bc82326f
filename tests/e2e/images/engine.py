"""Images and containers as tests have them: built by their Dockerfile, asked from inside."""

import subprocess
from pathlib import Path

from tests.conftest import ROOT


def build(docker: str, name: str) -> str:
    """Build an image as one plain manifest: SageMaker refuses OCI indexes and provenance."""
    tag = f"kennel-{name}:test"
    command = [docker, "buildx", "build", "--provenance=false", "--output=type=docker"]
    command += ["--file", f"images/{name}/Dockerfile", "--tag", tag, "."]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return tag


ASK = """
import sys, time, urllib.error, urllib.request
path, deadline = sys.argv[1], time.monotonic() + 120
body = sys.stdin.buffer.read() or None
while True:
    try:
        kind = {"Content-Type": "application/json" if body and body[:1] == b"[" else "image/jpeg"}
        request = urllib.request.Request(f"http://127.0.0.1:8080{path}", body, kind)
        answer = urllib.request.urlopen(request, timeout=60)
        break
    except urllib.error.HTTPError as error:
        answer = error
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.1)
print(answer.status)
print(answer.read().decode())
"""


def ask(docker: str, container: str, path: str, picture: Path | None = None) -> tuple[int, str]:
    """A request from inside the container, which no network reaches."""
    run = subprocess.run(
        [docker, "exec", "--interactive", container, "python", "-c", ASK, path],
        input=picture.read_bytes() if picture else b"",
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    status, _, body = run.stdout.decode().partition("\n")
    return int(status), body.strip()


def exit_code(docker: str, container: str) -> int:
    command = [docker, "inspect", "--format", "{{.State.ExitCode}}", container]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def size_of(docker: str, image: str) -> int:
    command = [docker, "image", "inspect", "--format", "{{.Size}}", image]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
