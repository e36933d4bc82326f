"""The images that `make build` made on this machine."""

import hashlib
import shutil
import subprocess

from kennel.errors import UserError

NO_IMAGE = f"sha256:{hashlib.sha256(b'processes have no image').hexdigest()}"
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
