"""The state of the repository, as a name for what is made from it."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kennel.errors import UserError
from kennel.places import ROOT


@dataclass(frozen=True)
class State:
    commit: str
    changes: str = ""  # a fingerprint of what differs from the commit, "" if nothing does

    @property
    def dirty(self) -> bool:
        return bool(self.changes)

    @property
    def tag(self) -> str:
        """Tags in ECR cannot move: two different sets of changes must have different names."""
        return f"{self.commit[:12]}-dirty-{self.changes}" if self.dirty else self.commit[:12]


def state(root: Path = ROOT) -> State:
    commit = call(root, "rev-parse", "HEAD").decode().strip()
    if not call(root, "status", "--porcelain"):
        return State(commit)
    digest = hashlib.sha256(call(root, "diff", "--binary", "HEAD"))
    for name in call(root, "ls-files", "-z", "--others", "--exclude-standard").split(b"\0"):
        path = root / name.decode()
        if name and path.is_file():
            digest.update(name + b"\0" + path.read_bytes())
    return State(commit, digest.hexdigest()[:8])


def call(root: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(root), *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout
    except FileNotFoundError as error:
        raise UserError("git is missing: an image is named after the commit it is of") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise UserError(
            f"git cannot tell the state of {root}: {said}; images are made from a clone with a "
            "commit"
        ) from error
