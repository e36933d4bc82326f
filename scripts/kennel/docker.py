"""The Docker command: the few things that verbs ask of it, and its failures in words."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kennel.errors import UserError
from kennel.manifests import Registry
from kennel.places import ROOT


def check(*, buildx: bool = False) -> None:
    """That there is an engine, and what builds; a build would say so less plainly."""
    if not shutil.which("docker"):
        raise UserError("docker is missing: install Docker Engine with buildx, or Docker Desktop")
    if said := fault("info", "--format", "{{.ServerVersion}}"):
        raise UserError(f"the Docker engine does not answer ({said}): start it, or set DOCKER_HOST")
    if buildx and fault("buildx", "version"):
        raise UserError("docker has no buildx: install the package docker-buildx-plugin")


def fault(*arguments: str) -> str:
    """What the command complains of; "" if it succeeds."""
    try:
        run = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if run.returncode == 0:
        return ""
    return (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]


def platforms() -> set[str]:
    """What the current builder can build for."""
    run = subprocess.run(
        ["docker", "buildx", "inspect"], capture_output=True, text=True, check=False
    )
    lines = (line.partition(":") for line in run.stdout.splitlines())
    found = [rest for name, _, rest in lines if name.strip() == "Platforms"]
    return {name.strip().rstrip("*") for name in ",".join(found).split(",") if name.strip()}


def build(
    dockerfile: str, reference: str, *, target: str, platform: str, labels: Mapping[str, str]
) -> None:
    """One image of one platform as one plain manifest, into the engine.

    Without provenance and bill of materials: with them the result is an OCI index, which neither
    SageMaker nor Lambda takes.
    """
    command = ["docker", "buildx", "build", "--file", dockerfile, "--tag", reference]
    command += ["--platform", platform, "--provenance=false", "--sbom=false"]
    command += ["--output", "type=docker,oci-mediatypes=false"]
    command += ["--target", target] if target else []
    for name, value in labels.items():
        command += ["--label", f"{name}={value}"]
    if subprocess.run([*command, "."], cwd=ROOT, stdout=sys.stderr, check=False).returncode:
        raise UserError(f"{reference} cannot be built: the lines above say why")


def inspect(reference: str) -> tuple[str, int] | None:
    """The id and the size of an image of the engine."""
    command = ["docker", "image", "inspect", reference]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        return None
    found = json.loads(run.stdout)[0]
    return str(found["Id"]), int(found["Size"])


@contextmanager
def signed_in(registry: Registry) -> Iterator[Mapping[str, str]]:
    """The environment of a docker command that may push; the password is gone afterwards.

    The user's own configuration is left alone: `docker login` would write the password into it.
    """
    with tempfile.TemporaryDirectory(prefix="kennel-docker-") as folder:
        environment = {**os.environ, "DOCKER_CONFIG": folder}
        if not os.environ.get("DOCKER_HOST") and (host := engine()):
            environment["DOCKER_HOST"] = host
        command = ["docker", "login", "--username", registry.user, "--password-stdin"]
        run = subprocess.run(
            [*command, registry.host],
            input=registry.password,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            said = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise UserError(
                f"{registry.host} refuses the sign-in ({said}): have ecr:GetAuthorizationToken "
                "granted, or choose another role with AWS_PROFILE"
            )
        Path(folder, "config.json").chmod(0o600)
        yield environment


def engine() -> str:
    """The engine of the user's docker context, which another configuration does not know."""
    command = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout.strip() if run.returncode == 0 else ""


def push(reference: str, target: str, environment: Mapping[str, str]) -> None:
    subprocess.run(["docker", "tag", reference, target], check=True, capture_output=True)
    try:
        run = subprocess.run(
            ["docker", "push", target], env=environment, stdout=sys.stderr, check=False
        )
    finally:
        subprocess.run(["docker", "rmi", "--no-prune", target], check=False, capture_output=True)
    if run.returncode:
        raise UserError(
            f"{target} cannot be pushed: the lines above say why; run the command again, layers "
            "that have arrived are not sent twice"
        )
