"""The tree's own Terraform, applied to the emulated account.

The roots are linked into a folder of ours beside one file that overrides what cannot be said in
environment variables: where the state lies, that S3 buckets are named in the path, and how often
a call is repeated. Nothing of ours is left in terraform/.
"""

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kennel import children, outputs
from kennel.errors import UserError
from kennel.places import FUNCTIONS, ROOT

# The provider heeds no AWS_MAX_ATTEMPTS, and would repeat a server's error for ten minutes.
OVERRIDE = """# Made by `kennel local up`.
terraform {
  backend "local" {}
}

provider "aws" {
  max_retries       = 2
  s3_use_path_style = true
}
"""
KEPT = (
    "PATH", "HOME", "TMPDIR", "LANG", "NO_COLOR", "GOGC",
    "TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR", "TF_REATTACH_PROVIDERS",
)  # fmt: skip
LESS_GARBAGE = {"GOGC": "400"}  # as in terraform/stack.py, which says why


def environment(address: str, region: str) -> dict[str, str]:
    """What points any AWS client at the emulated account, and at no other."""
    return {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": address,
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_RETRY_MODE": "standard",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }


class Stack:
    """The roots `platform` and `service`, with state and values of their own."""

    def __init__(self, folder: Path, address: str, region: str, log: Path) -> None:
        self._terraform = outputs.terraform()
        self._folder = folder
        self._log = log
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        quiet = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
        self._environment = LESS_GARBAGE | plugins() | kept | quiet | environment(address, region)
        self._link()

    def apply(self, root: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a root and return its outputs."""
        place = self._root(root)
        (place / "local.tfvars.json").write_text(json.dumps(values, indent=2))
        ready = place / ".terraform/ready"  # the folder alone may be of an init that failed
        if not ready.exists():
            with one_init():
                self._run(root, "init", "-lockfile=readonly")
            ready.touch()
        self._run(root, "apply", "-auto-approve", "-var-file=local.tfvars.json")
        return self.outputs(root)

    def changes(self, root: str) -> bool:
        """Whether another apply would change anything."""
        arguments = ("plan", "-detailed-exitcode", "-var-file=local.tfvars.json")
        return self._run(root, *arguments, accepted=(0, 2)).returncode == 2

    def outputs(self, root: str) -> dict[str, Any]:
        shown = json.loads(self._run(root, "output", "-json").stdout or "{}")
        return {name: each["value"] for name, each in shown.items()}

    def _root(self, root: str) -> Path:
        return self._folder / "terraform" / root

    def _link(self) -> None:
        """A tree in which the roots find modules, functions and each other where they expect."""
        link(ROOT / "terraform/modules", self._folder / "terraform/modules")
        link(FUNCTIONS, self._folder / "functions")
        for root in ("platform", "service"):
            place = self._root(root)
            place.mkdir(parents=True, exist_ok=True)
            for path in sources(ROOT / "terraform" / root):
                link(path, place / path.name)
            (place / "local_override.tf").write_text(OVERRIDE)

    def _run(
        self, root: str, *arguments: str, accepted: tuple[int, ...] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        command = [
            self._terraform,
            *arguments,
            *([] if arguments[0] == "output" else ["-no-color"]),
        ]
        done = children.run(
            command,
            cwd=self._root(root),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if arguments[0] != "output":  # which holds a key
            with self._log.open("a") as log:
                log.write(f"$ terraform {' '.join(arguments)}  # {root}\n")
                log.write(done.stdout + done.stderr)
        if done.returncode not in accepted:
            raise UserError(
                f"terraform {arguments[0]} of {root} failed; {self._log} has all of it:\n"
                f"{done.stderr.strip()}"
            )
        return done


def plugins() -> dict[str, str]:
    """One copy of the provider for all roots, where the user has not said where."""
    cache = ROOT / ".tools/terraform-plugins"
    cache.mkdir(parents=True, exist_ok=True)
    return {"TF_PLUGIN_CACHE_DIR": str(cache)}


@contextmanager
def one_init() -> Iterator[None]:
    """Terraform says of its cache that two must not fill it at once, and does not see to it."""
    path = ROOT / ".tools/terraform-plugins.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sources(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        ours = path.name.endswith((".tf", ".lock.hcl")) and not path.name.endswith("_override.tf")
        if ours:
            yield path


def link(target: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(target.absolute())
