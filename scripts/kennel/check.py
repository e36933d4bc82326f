"""`kennel data check`: what in a picture set would spoil training, before it costs a job."""

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from kennel import folder
from kennel.progress import counted


@dataclass(frozen=True)
class Finding:
    level: str  # error: training would fail or its figures lie; warning: worth a look
    path: str
    what: str


@click.command()
@click.argument("root", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--fewest", default=5, show_default=True, help="Warn of classes with fewer to learn.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on stdout.")
def check(root: Path, *, fewest: int, as_json: bool) -> None:
    """Look through the picture set ROOT: corrupt files, the same picture in two splits, empty or
    tiny classes. Exits 1 on what would spoil training.
    """
    findings = [*layout(root, fewest), *contents(root)]
    spoilt = any(each.level == "error" for each in findings)
    if as_json:
        click.echo(json.dumps({"findings": [asdict(each) for each in findings], "ok": not spoilt}))
    else:
        for each in findings:
            click.echo(f"{each.level}: {each.path}: {each.what}")
        click.echo(f"{len(findings)} findings; {'not ' if spoilt else ''}fit for training")
    if spoilt:
        sys.exit(1)


def layout(root: Path, fewest: int) -> list[Finding]:
    """What the names of folders and files already tell."""
    found: list[Finding] = []
    classes = {path.name for path in root.glob("train/*") if path.is_dir()}
    if len(classes) < 2:
        found.append(Finding("error", "train", f"{len(classes)} classes: at least 2 are needed"))
    for split in folder.SPLITS:
        if not (root / split).is_dir():
            found.append(Finding("error", split, "the folder is missing"))
            continue
        present = {path.name for path in (root / split).iterdir() if path.is_dir()}
        for name in sorted(present - classes):
            found.append(Finding("error", f"{split}/{name}", "train does not have this class"))
        for name in sorted(classes):
            found += size_of(root, split, name, fewest)
    return found


def size_of(root: Path, split: str, name: str, fewest: int) -> list[Finding]:
    place = f"{split}/{name}"
    files = sorted(path for path in (root / place).glob("*") if path.is_file())
    pictures = [path for path in files if path.suffix.lower() in folder.SUFFIXES]
    found = [
        Finding("warning", f"{place}/{path.name}", "no picture by its name; it will be left out")
        for path in files
        if path not in pictures
    ]
    if not pictures:
        found.append(Finding("error", place, "the class holds no picture"))
    elif split == "train" and len(pictures) < fewest:
        found.append(Finding("warning", place, f"only {len(pictures)} pictures to learn from"))
    return found


def contents(root: Path) -> list[Finding]:
    """What only decoding tells: files that are no pictures, and pictures that come twice."""
    present = [split for split in folder.SPLITS if (root / split).is_dir()]
    names = [f"{split}/{name}" for split in present for name in folder.names(root, split)]
    found, first = [], dict[str, str]()
    looks = folder.in_parallel(look, [root / name for name in names])
    with counted("looking", len(names), "pictures") as counter:
        for name, (digest, fault) in zip(names, looks, strict=True):
            counter.advance(1)
            if fault:
                found.append(Finding("error", name, fault))
                continue
            twin = first.setdefault(digest, name)
            if twin != name:
                found.append(twice(name, twin))
    return found


def twice(name: str, twin: str) -> Finding:
    (split, label, _), (other_split, other_label, _) = name.split("/", 2), twin.split("/", 2)
    if split != other_split:
        return Finding("error", name, f"the same picture as {twin}: the splits must not overlap")
    if label != other_label:
        return Finding("error", name, f"the same picture as {twin}, in two classes")
    return Finding("warning", name, f"the same picture as {twin}")


def look(path: Path) -> tuple[str, str]:
    """The digest of the pixels, or what is wrong with the file."""
    try:
        content = path.read_bytes()
        if not content:
            return "", "the file is empty"
        picture = folder.upright(content)
    except Exception as error:  # noqa: BLE001 - Pillow's parsers raise whatever they stumble over
        return (
            "",
            f"cannot be read as a picture: {(str(error) or type(error).__name__).splitlines()[0]}",
        )
    return hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).hexdigest(), ""
