"""Somebody with a clone of the repository and a shell, who types what the documents say."""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT

IMPORTED = ("scripts", "images/train", "images/serve", "functions")
LOCKS = ("requirements/dev.lock", "requirements/torch.lock", "requirements/uv.lock")


def section(document: str, title: str) -> str:
    """The text under a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", document, re.M | re.S)
    assert found, f"there is no section {title}"
    return found[1]


def typed(text: str) -> list[str]:
    """What stands in a text to be typed, in order, a string for each block of it."""
    fenced = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    indented = re.findall(r"(?:^    .*\n)+", text, re.M)
    return fenced or ["\n".join(line[4:] for line in each.splitlines()) for each in indented]


@dataclass
class Person:
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def types(self, commands: str, *, code: int = 0, seconds: float = 1800) -> str:
        """What they see; an `export` stays for the next commands, as in a terminal."""
        with tempfile.NamedTemporaryFile("r", suffix=".env") as left:
            script = f"set -euo pipefail\n{commands}\nenv -0 > {left.name}\n"
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=seconds,
                check=False,
            )
            last = done.stdout[-1000:]  # first: CI shows a part of it
            shown = f"{commands}\n{done.returncode}\n{last}\n\nthe whole:\n{done.stdout[-8000:]}"
            assert done.returncode == code, shown
            pairs = [each.partition("=") for each in left.read().split("\0") if each]
        if pairs:
            self.environment = {name: value for name, _, value in pairs}
        return done.stdout


def clone(home: Path, terraform: str) -> Person:
    """The present state of the tree, as a clone would have it; the tools are those of this one."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():  # not one that was removed and is still known
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, home / name)
    for name in (*LOCKS, "pyproject.toml"):
        os.utime(home / name, (0, 0))  # or make would build our environment anew
    (home / ".venv").symlink_to(ROOT / ".venv")
    dropped = ("AWS_", "KENNEL_", "MAKE", "MFLAGS", "PYTEST")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    [ready, *_] = sorted((ROOT / ".venv").glob("ready-*"))
    plugins = ROOT / ".tools/terraform-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    ours = {
        "COLUMNS": "200",
        "KENNEL_LOCAL_PORT": "0",  # another account may be about to take the usual one
        "KENNEL_LOCAL_SPEED": "60",
        "PATH": f"{Path(terraform).parent}:{kept['PATH']}",
        "PYTHONPATH": os.pathsep.join(str(home / each) for each in IMPORTED),
        "TF_PLUGIN_CACHE_DIR": str(plugins),
        "TORCH": ready.name.removeprefix("ready-"),
    }
    person = Person(home, kept | ours)
    who = "-c user.name=test -c user.email=test@example.com"
    person.types(f"git init -q && git add --all && git {who} commit -qm 'The present state'")
    return person
