"""The images that `make build` made on this machine, and what stands for them in processes."""

import hashlib
import shutil
import subprocess

from kennel.errors import UserError
from kennel.places import ROOT

OTHERS = ("-gpu", "-arm64")  # what else shares a repository with the image for this machine


def image_id(part: str) -> str:
    """The latest of a part, train or serve."""
    docker = shutil.which("docker")
    if docker is None:
        raise UserError("the docker runner needs docker; use --runner processes")
    shown = ["--no-trunc", "--format", "{{.ID}} {{.Tag}}", f"kennel/{part}"]
    found = subprocess.run(
        [docker, "image", "ls", *shown], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise UserError(f"docker does not answer: {found.stderr.strip()[-300:]}")
    for line in found.stdout.splitlines():
        image, _, tag = line.partition(" ")
        if not tag.endswith(OTHERS):
            return image
    raise UserError(f"there is no image kennel/{part}: make build makes it")


def sources_id(part: str) -> str:
    """A digest for processes, which have no image: other sources are another release."""
    folder, digest = ROOT / "images" / part, hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            name, content = str(path.relative_to(folder)).encode(), path.read_bytes()
            digest.update(b"%d %d %b%b" % (len(name), len(content), name, content))
    return f"sha256:{digest.hexdigest()}"
