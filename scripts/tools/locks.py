"""The lock files: make them from their inputs, or check that they are in step.

    python scripts/tools/locks.py make [--upgrade]
    python scripts/tools/locks.py check

The first line of a lock holds the digest of what it was made from, so that the check needs no
network: a changed input without a new lock is found by comparing two hashes.
"""

import hashlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEVELOPER = ("--universal", "--python-version=3.11")
IMAGE = ("--universal", "--python-version=3.12")
ADDRESS = re.compile(r"://|--(extra-)?index-url|--find-links|@ file")


@dataclass(frozen=True)
class Lock:
    path: str
    inputs: tuple[str, ...]
    options: tuple[str, ...] = DEVELOPER
    constraints: tuple[str, ...] = ()


DEV = "requirements/dev.lock"
TORCH = "requirements/torch.lock"

# In the order of making: a later lock keeps to the versions of the earlier ones.
LOCKS = (
    Lock(DEV, ("requirements/dev.in",)),
    Lock("requirements/uv.lock", ("requirements/uv.in",), constraints=(DEV,)),
    Lock("requirements/checkov.lock", ("requirements/checkov.in",)),
    Lock(TORCH, ("requirements/torch.in",), constraints=(DEV,)),
    Lock("images/serve/requirements.lock", ("images/serve/requirements.in",), IMAGE, (DEV,)),
    Lock(
        "images/serve/requirements-gpu.lock",
        ("images/serve/requirements-gpu.in",),
        IMAGE,
        (DEV, TORCH, "images/serve/requirements.lock"),
    ),
    Lock(
        "images/train/requirements.lock",
        ("images/train/requirements.in", "requirements/torch.in"),
        IMAGE,
        (DEV, TORCH),
    ),
)


def inputs_of(lock: Lock) -> list[Path]:
    """The files a lock is made from, those they include with -r among them."""
    found: list[Path] = []
    waiting = [ROOT / name for name in lock.inputs]
    while waiting:
        path = waiting.pop(0).resolve()
        if path not in found:
            found.append(path)
            includes = re.findall(r"^-r\s+(\S+)", path.read_text(), re.MULTILINE)
            waiting += [path.parent / name for name in includes]
    return found


def header(lock: Lock) -> str:
    digest = hashlib.sha256(" ".join(lock.options).encode())
    for path in inputs_of(lock):
        digest.update(path.read_bytes())
    return f"# Made by `make lock` from {' '.join(lock.inputs)}, sha256 {digest.hexdigest()[:16]}\n"


def make(lock: Lock, *, upgrade: bool) -> None:
    command = ["uv", "pip", "compile", *lock.inputs, *lock.options, "--quiet", "--no-header"]
    command += ["--generate-hashes", "--no-emit-index-url", "--output-file", lock.path]
    command += [f"--constraint={name}" for name in lock.constraints]
    subprocess.run(command + ["--upgrade"] * upgrade, cwd=ROOT, check=True)
    path = ROOT / lock.path
    path.write_text(header(lock) + path.read_text())
    print(f"made {lock.path}", file=sys.stderr)


def faults(lock: Lock) -> list[str]:
    text = (ROOT / lock.path).read_text()
    first, _, body = text.partition("\n")
    found = []
    if first + "\n" != header(lock):
        found.append(f"{lock.path} is not in step with {' '.join(lock.inputs)}: run `make lock`")
    if ADDRESS.search(body):
        found.append(f"{lock.path} names an address: it may hold versions and hashes only")
    for block in re.split(r"\n(?=[a-z0-9])", body.strip()):
        if "--hash=sha256:" not in block:
            found.append(f"{lock.path}: {block.splitlines()[0]} has no hash: run `make lock`")
    return found


def main(arguments: list[str]) -> int:
    match arguments:
        case ["make"] | ["make", "--upgrade"]:
            for lock in LOCKS:
                make(lock, upgrade="--upgrade" in arguments)
            return 0
        case ["check"]:
            found = [fault for lock in LOCKS for fault in faults(lock)]
            print("\n".join(found) or f"{len(LOCKS)} locks are in step", file=sys.stderr)
            return min(len(found), 1)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
