"""What Terraform says about a stack: the one place from which verbs take names and addresses.

    outputs.read("platform", "dev")["repository_urls"]["train"]

They come from `terraform output` in terraform/ROOT. People without access to the state, and local
AWS, name a JSON file in KENNEL_OUTPUTS instead, with an object for each root:

    {"platform": {...}, "service": {...}}

each as `terraform output -json` prints it, or as plain names and values.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from kennel.errors import UserError
from kennel.places import ROOT

TERRAFORM = ROOT / "terraform"
Verb = TypeVar("Verb", bound=Callable[..., Any])


def environment(verb: Verb) -> Verb:
    """The option `--env` of a verb: which of the stacks it works on; the parameter is `env`."""
    return click.option(
        "--env",
        "env",
        default="dev",
        show_default=True,
        envvar="KENNEL_ENV",
        help="Which stack: dev, prod (terraform/ROOT/ENV.tfvars).",
    )(verb)


class Outputs:
    """The outputs of one root. One that is missing is an error with its remedy."""

    def __init__(self, root: str, values: dict[str, Any]) -> None:
        self.root, self.values = root, values

    def __getitem__(self, name: str) -> Any:
        if name not in self.values:
            raise UserError(
                f"the outputs of {self.root} lack {name}: it is not applied, or an older version "
                f"was; run `make plan apply STACK={self.root}`"
            )
        return self.values[name]

    def get(self, name: str, otherwise: Any = None) -> Any:
        return self.values.get(name, otherwise)

    @property
    def region(self) -> str:
        return str(self["region"])


def read(root: str, env: str = "dev") -> Outputs:
    """The outputs of a root: "platform", "service"."""
    file = os.environ.get("KENNEL_OUTPUTS")
    found = _of_file(Path(file), root) if file else _of_terraform(root, env)
    outputs = Outputs(root, {name: _plain(value) for name, value in found.items()})
    if emulated := os.environ.get("AWS_ENDPOINT_URL_EXECUTE_API"):
        _answer_at(emulated, outputs.values)
    if not outputs.values:
        raise UserError(
            f"{root} is not applied: run `make plan apply STACK={root} ENV={env}`, or name a file "
            "with its outputs in KENNEL_OUTPUTS"
        )
    return outputs


def _plain(value: Any) -> Any:
    described = isinstance(value, dict) and "value" in value and value.keys() <= DESCRIPTION
    return value["value"] if described else value


def _answer_at(emulated: str, values: dict[str, Any]) -> None:
    """The API where `kennel local` serves it: Terraform's own address says amazonaws.com."""
    from kennel.local.up import local_api  # noqa: PLC0415 - only there

    url = str(values.get("predict_url", ""))
    if ".execute-api." in url:
        values["predict_url"] = f"{local_api(emulated, url)}/v1/predict"


DESCRIPTION = {"sensitive", "type", "value"}


def _of_file(path: Path, root: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
        found = content.get(root, {})
        if not isinstance(found, dict):
            raise TypeError
    except OSError as error:
        raise UserError(f"KENNEL_OUTPUTS: {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"KENNEL_OUTPUTS: {path} must be a JSON object with what `terraform -chdir=terraform/"
            f'{root} output -json` prints under "{root}"'
        ) from error
    return dict(found)


def _of_terraform(root: str, env: str) -> dict[str, Any]:
    folder = TERRAFORM / root
    _check_environment(folder, env)
    command = [terraform(), f"-chdir={folder}", "output", "-json", "-no-color"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        said = " ".join(re.sub(r"[│╷╵]", " ", run.stderr).split())
        raise UserError(
            f"the outputs of {root} cannot be read: {said or 'terraform failed'}; run `make plan "
            f"STACK={root} ENV={env}`, or name a file with them in KENNEL_OUTPUTS"
        )
    return dict(json.loads(run.stdout or "{}"))


def _check_environment(folder: Path, env: str) -> None:
    """That the folder is set up for this environment: reading prod's names for dev is no joke."""
    values, state = folder / f"{env}.tfvars", folder / ".terraform/terraform.tfstate"
    if not values.exists():
        raise UserError(f"there is no {values}: copy dev.tfvars and change its values")
    if not state.exists():
        raise UserError(
            f"{folder.name} is not set up here: run `make plan STACK={folder.name} ENV={env}`, or "
            "name a file with its outputs in KENNEL_OUTPUTS"
        )
    found = re.search(r'^prefix\s*=\s*"([^"]*)"', values.read_text(), re.MULTILINE)
    wanted = f"{found[1] if found else ''}/{folder.name}.tfstate"
    backend = json.loads(state.read_text()).get("backend") or {}
    present = str((backend.get("config") or {}).get("key"))
    if backend.get("type") == "s3" and present != wanted:
        raise UserError(
            f"terraform/{folder.name} is set up for {present}, not for {env} ({wanted}): run `make "
            f"plan STACK={folder.name} ENV={env}` first"
        )


def terraform() -> str:
    """The path of a Terraform that is new enough, downloaded if need be; UserError says what to
    install. The one that KENNEL_TERRAFORM names is somebody's choice, and taken as it is."""
    if given := os.environ.get("KENNEL_TERRAFORM"):
        if shutil.which(given):
            return given
        raise UserError(f"KENNEL_TERRAFORM names {given}, which is no program: unset or correct it")
    command = [sys.executable, str(ROOT / "scripts/tools/terraform.py"), "path"]
    quiet = os.environ | {"CHECKPOINT_DISABLE": "1"}
    found = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
    if found.returncode:
        old = shutil.which("terraform")
        told = f"{old} is older than 1.11, and no other could be fetched\n" if old else ""
        raise UserError(told + found.stderr.strip())
    return found.stdout.strip()
