"""`kennel data`: labelled pictures."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from kennel import check, pack, sample, sync


@click.group()
def data() -> None:
    """Labelled pictures: draw a set to try things with, check, pack, push and pull one."""


data.add_command(check.check)
data.add_command(pack.pack)
data.add_command(sync.pull)
data.add_command(sync.push)


def drawn(sizes: Iterable[int], total: int) -> Sequence[int]:
    """Follow the drawing on stderr, where it is a terminal."""
    console = Console(stderr=True)
    return list(
        track(sizes, "drawing pictures", total, console=console, disable=not console.is_terminal)
    )


@data.command("sample")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--classes", default=10, show_default=True, help=f"2 to {sample.MOST_CLASSES}")
@click.option("--train", default=60, show_default=True, help="Pictures per class to learn from.")
@click.option("--valid", default=10, show_default=True, help="Per class to tune by.")
@click.option("--test", default=10, show_default=True, help="Per class to judge by.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same bytes.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON on stdout.")
@click.option("--dry-run", is_flag=True, help="Say what would be drawn, and draw nothing.")
def sample_(
    folder: Path,
    *,
    classes: int,
    train: int,
    valid: int,
    test: int,
    seed: int,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Draw a labelled picture set in FOLDER, as train/valid/test folders of class folders.

    The classes are textures behind shapes, and a small network can learn to tell them apart:

        kennel data sample pictures --classes 20 --seed 7
    """
    counts = {"train": train, "valid": valid, "test": test}
    total = classes * sum(counts.values())
    summary = {"folder": str(folder), "classes": classes, "pictures": total, "seed": seed}
    if not dry_run:
        sizes = drawn(sample.make_set(folder, classes=classes, counts=counts, seed=seed), total)
        summary["bytes"] = sum(sizes)
    if as_json:
        click.echo(json.dumps(summary | {"dry_run": dry_run}))
        return
    verb = "would draw" if dry_run else "drew"
    size = "" if dry_run else f", {sum(sizes) / 1e6:.1f} MB"
    click.echo(f"{verb} {total} pictures of {classes} classes in {folder}{size}")
