"""Which images were pushed last, by digest: build/releases/ENV/images.json.

`kennel images push` writes it, training and deployment read it. It can be lost: pushing again finds
the images in their repositories, sends nothing and writes it anew.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from kennel.errors import UserError
from kennel.places import ROOT

RELEASES = ROOT / "build/releases"


@dataclass(frozen=True)
class Pushed:
    image: str  # repository@sha256:...
    tag: str
    commit: str
    media_type: str
    size: int


def path(env: str) -> Path:
    return RELEASES / env / "images.json"


def read(env: str) -> dict[str, Pushed]:
    """All images that were pushed to this stack, by their names."""
    if not path(env).exists():
        return {}
    return {name: Pushed(**each) for name, each in json.loads(path(env).read_text()).items()}


def image(name: str, env: str) -> Pushed:
    """One of them: train, serve, serve-gpu, serve-arm64."""
    found = read(env)
    if name not in found:
        raise UserError(
            f"no image {name} was pushed to {env} from here: run `make build push ENV={env}`"
        )
    return found[name]


def record(name: str, pushed: Pushed, env: str) -> None:
    """Add one; the file is always whole."""
    content = {each: asdict(value) for each, value in {**read(env), name: pushed}.items()}
    target = path(env)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    partial.replace(target)
