"""Terraform applied to the service root with a release: the one way a release goes live.

The release goes into terraform/service/ENV.release.json, and terraform/stack.py plans and
applies, with all its guards. The environment `local` is the account of `kennel local`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kennel import children
from kennel.errors import Failed, UserError
from kennel.outputs import TERRAFORM, Outputs, terraform
from kennel.places import ROOT

FUNCTION_ZIP = ROOT / "build/invoke.zip"


def values_of(image: str, model_data: str, platform: Outputs) -> dict[str, Any]:
    """A release, the key that its artifact is encrypted with, and what it may classify in bulk."""
    key, data = platform["kms_key_arn"], platform["bucket_names"]["data"]
    return {"image": image, "model_data": model_data, "kms_key_arn": key, "data_bucket": data}


def values_file(env: str) -> Path:
    return TERRAFORM / "service" / f"{env}.release.json"


def apply(env: str, values: Mapping[str, Any]) -> None:
    """Make the service what the values say; Failed if Terraform, or SageMaker, would not."""
    if env == "local":
        from kennel.local import release  # noqa: PLC0415 - only there

        release.apply(local_home(), values)
        return
    if not FUNCTION_ZIP.exists():
        script = str(ROOT / "scripts/tools/function_zip.py")
        subprocess.run([sys.executable, script, str(FUNCTION_ZIP)], check=True, stdout=sys.stderr)
    replace(values_file(env), values)
    for verb in ("plan", "apply"):
        run(verb, env)


def run(verb: str, env: str) -> None:
    command = [sys.executable, str(TERRAFORM / "stack.py"), verb, "service", env]
    settings = os.environ | {"KENNEL_TERRAFORM": terraform()}
    # Its story goes to stderr: stdout is for the result.
    done = children.run(command, env=settings, stdout=sys.stderr)
    if done.returncode:
        raise Failed(f"`terraform {verb}` of service for {env} failed; its words are above")


def current(env: str) -> dict[str, Any]:
    """The image and the model that the values name now; empty where none were written."""
    if env == "local":
        from kennel.local import release  # noqa: PLC0415 - only there

        found = release.values(local_home())
    else:
        path = values_file(env)
        found = json.loads(path.read_text()) if path.exists() else {}
    return {name: found[name] for name in ("image", "model_data") if name in found}


def local_home() -> Path:
    file = os.environ.get("KENNEL_OUTPUTS")
    if not file:
        raise UserError('the local account is not chosen: eval "$(kennel local env)"')
    return Path(file).parent


def replace(path: Path, content: Mapping[str, Any]) -> None:
    """The file is the old one or the new one, never half of it."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(dict(content), indent=2) + "\n")
    new.replace(path)
