"""Terraform for those who lack it, and what `make` asks of it.

    python scripts/tools/terraform.py path     where a usable Terraform is; fetch it if need be
    python scripts/tools/terraform.py check    format of the tree, validity of the roots
    python scripts/tools/terraform.py fmt      format the tree in place

A Terraform on PATH is taken if it is new enough. Otherwise the pinned release is downloaded into
.tools and its archive compared with the SHA-256 that HashiCorp published for it, before use.
KENNEL_TERRAFORM_RELEASES names another place to download from (a company's mirror).
"""

import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST = (1, 11)
PINNED = "1.11.4"
RELEASES = "https://releases.hashicorp.com/terraform"
PUBLISHED = {
    "darwin_amd64": "a56d5002b9f7647291faccc3dd1a70350e60fb61e4c45037629508b8fdc2575b",
    "darwin_arm64": "867e0808fa971217043e25b7a792b10720c79b1546f8a68479b74f138be73e18",
    "linux_amd64": "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
    "linux_arm64": "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
HELP = f"install Terraform {OLDEST[0]}.{OLDEST[1]} or newer so that `terraform` is on PATH"


class Unavailable(Exception):
    """There is no Terraform to be had; the message says what to install."""


def find(
    tools: Path = ROOT / ".tools",
    published: dict[str, str] = PUBLISHED,
    releases: str | None = None,
) -> str:
    """The path of a Terraform that is new enough."""
    installed = shutil.which("terraform")
    if installed and version(installed) >= OLDEST:
        return installed
    fetched = tools / f"terraform-{PINNED}" / "terraform"
    if not fetched.exists():
        releases = releases or os.environ.get("KENNEL_TERRAFORM_RELEASES", RELEASES)
        fetch(fetched, published, releases)
    return str(fetched)


def version(binary: str) -> tuple[int, ...]:
    command = [binary, "version", "-json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return tuple(
            int(part) for part in json.loads(result.stdout)["terraform_version"].split(".")[:2]
        )
    except (KeyError, ValueError):
        return (0,)


def fetch(target: Path, published: dict[str, str], releases: str) -> None:
    machine = platform.machine()
    name = f"{platform.system().lower()}_{ARCHITECTURES.get(machine, machine)}"
    if name not in published:
        raise Unavailable(f"no Terraform is pinned for {name}; {HELP}")
    url = f"{releases}/{PINNED}/terraform_{PINNED}_{name}.zip"
    print(f"terraform: downloading {PINNED}", file=sys.stderr)
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - the constant above
            content = answer.read()
    except OSError as error:
        raise Unavailable(f"{url} cannot be downloaded ({error}); {HELP}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != published[name]:
        raise Unavailable(f"{url} has the SHA-256 {digest}, not the published one; {HELP}")
    target.parent.mkdir(parents=True, exist_ok=True)
    binary = target.with_suffix(".new")
    binary.write_bytes(zipfile.ZipFile(io.BytesIO(content)).read("terraform"))
    binary.chmod(0o755)
    binary.rename(target)


def succeeds(command: list[str], *, data: str = "") -> bool:
    """Run Terraform in the repository; what it prints is shown when it fails."""
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1"} | (
        {"TF_DATA_DIR": data} if data else {}
    )
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    if result.returncode:
        sys.stderr.buffer.write(result.stdout + result.stderr)
    return result.returncode == 0


def check(binary: str) -> bool:
    """Format everywhere; validity of each root, with the providers that its lock names."""
    if not succeeds([binary, "fmt", "-check", "-recursive", "-diff", "terraform"]):
        print("terraform: not formatted; run `make fmt`", file=sys.stderr)
        return False
    for root in ("terraform/bootstrap", "terraform/platform", "terraform/service"):
        init = ["init", "-backend=false", "-lockfile=readonly", "-input=false"]
        data = str(ROOT / ".tools" / root)  # apart from .terraform, which belongs to the user
        for arguments in (init, ["validate"]):
            if not succeeds([binary, f"-chdir={root}", *arguments], data=data):
                return False
    return True


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in ("path", "check", "fmt"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        binary = find()
    except Unavailable as error:
        if os.environ.get("KENNEL_STRICT") or arguments[0] == "path":
            print(f"terraform: {error}", file=sys.stderr)
            return 1
        print(f"terraform: {arguments[0]} of terraform/ was left out: {error}", file=sys.stderr)
        return 0
    match arguments[0]:
        case "check":
            return 0 if check(binary) else 1
        case "fmt":
            return 0 if succeeds([binary, "fmt", "-recursive", "terraform"]) else 1
    print(binary)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
