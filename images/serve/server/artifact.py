"""The model folder, held to its manifest before anything in it is parsed."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.errors import ArtifactError

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Artifact:
    name: str
    version: str
    classes: list[str]
    size: int
    resize: int
    precision: str
    graph: Path
    architecture: str
    weights: Path


def load(folder: Path, *, int8: bool = False) -> Artifact:
    """Check every file against the manifest, and choose a graph: int8 where it is fit and asked."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ArtifactError(
            f"{path} is missing: {folder} must hold a model.tar.gz, unpacked"
        ) from None
    except ValueError as error:
        raise ArtifactError(f"{path} is not JSON: {error}") from error
    try:
        return checked(folder, manifest, int8=int8)
    except (KeyError, TypeError, IndexError) as error:
        raise ArtifactError(f"{path} lacks a field or holds a wrong one: {error}") from error


def checked(folder: Path, manifest: dict[str, Any], *, int8: bool) -> Artifact:
    if manifest["schema_version"] != SCHEMA_VERSION:
        raise ArtifactError(
            f"{folder / MANIFEST} has schema version {manifest['schema_version']}; this server "
            f"reads {SCHEMA_VERSION}: train with the release that this image belongs to"
        )
    compare(folder, manifest["files"])
    engine = choose(manifest["engines"], int8=int8)
    if engine["file"] not in manifest["files"]:
        raise ArtifactError(
            f"{folder / MANIFEST} names the graph {engine['file']} without a digest"
        )
    return Artifact(
        name=manifest["name"],
        version=manifest["version"],
        classes=manifest["classes"],
        size=manifest["input"]["size"],
        resize=manifest["input"]["resize"],
        precision=engine["precision"],
        graph=folder / engine["file"],
        architecture=manifest["architecture"],
        weights=folder / WEIGHTS,
    )


def choose(engines: list[dict[str, Any]], *, int8: bool) -> dict[str, Any]:
    """The graph to run; one that failed its accuracy gate in training is never chosen."""
    fit = {
        each["precision"]: each
        for each in engines
        if each["engine"] == "openvino" and each.get("fit", True)
    }
    return fit["int8"] if int8 and "int8" in fit else fit["fp32"]


def compare(folder: Path, digests: dict[str, str]) -> None:
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()} - {MANIFEST}
    for name in sorted(found ^ set(digests)):
        word = "is not in the manifest" if name in found else "is missing"
        raise ArtifactError(f"{folder / name} {word}: the artifact is not whole, unpack it again")
    for name, digest in digests.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise ArtifactError(f"{path} is not a regular file")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise ArtifactError(f"{path} was altered: its sha256 is not the manifest's")
