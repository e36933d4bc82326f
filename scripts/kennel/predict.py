"""`kennel predict`: what pictures show, by the deployed model."""

import csv
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from kennel import folder, outputs
from kennel.classifier import Api, Classifier, Endpoint, Picture, Refused, patiently
from kennel.errors import Failed, UserError
from kennel.parallel import in_order
from kennel.progress import counted

Row = dict[str, Any]
Rows = Generator[Row, None, None]


@click.command()
@click.argument("pictures", nargs=-1, required=True, metavar="FILE|URL|DIR...")
@click.option("--endpoint", is_flag=True, help="Ask the SageMaker endpoint itself, not the API.")
@click.option("--api", help="Where to POST a picture, if not at the service's predict_url.")
@click.option("--top", default=3, show_default=True, type=click.IntRange(1, 1000))
@click.option("--concurrency", default=8, show_default=True, type=click.IntRange(1, 256))
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line, for each picture.")
@click.option("--csv", "as_csv", is_flag=True, help="A row for each picture and class.")
@click.option("--dry-run", is_flag=True, help="List what would be asked about.")
@outputs.environment
def predict(
    pictures: tuple[str, ...],
    *,
    env: str,
    endpoint: bool,
    api: str | None,
    top: int,
    concurrency: int,
    as_json: bool,
    as_csv: bool,
    dry_run: bool,
) -> None:
    """Classify files, addresses of pictures, and all pictures of folders, several at once.

        kennel predict dog.jpg https://pictures.example/cat.png holidays --csv > found.csv

    The address and the key of the API come from the service's outputs, or from --api and
    KENNEL_API_KEY. Exits 3 if some pictures could not be classified; the others are.
    """
    if (as_json and as_csv) or (endpoint and api):
        raise click.UsageError("choose one: --json or --csv, and --endpoint or --api")
    names = list(found(pictures))
    if dry_run:
        for name in names:
            click.echo(json.dumps({"picture": name}) if as_json else name)
        return
    if endpoint and (urls := [name for name in names if is_url(name)]):
        raise click.UsageError(f"{urls[0]}: --endpoint takes files only, it reaches no network")
    classifier = connect(env, api, top, concurrency, endpoint=endpoint)
    show = as_lines if as_json else as_rows if as_csv else as_table
    began, rows = time.monotonic(), Tally()
    with closing(answers(classifier, names, concurrency)) as results:
        show(rows.counting(results))
    report(rows, time.monotonic() - began)


def is_url(name: str) -> bool:
    return name.startswith(("https://", "http://", "s3://"))


def found(arguments: Sequence[str]) -> Iterator[str]:
    """Every picture that was named; folders are searched."""
    for argument in arguments:
        path = Path(argument)
        if is_url(argument) or path.is_file():
            yield argument
        elif path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in folder.SUFFIXES)
            if not inside:
                raise UserError(f"{argument} holds no picture ({', '.join(folder.SUFFIXES)})")
            yield from map(str, inside)
        else:
            raise UserError(f"there is no {argument}")


def connect(env: str, api: str | None, top: int, concurrency: int, *, endpoint: bool) -> Classifier:
    key = os.environ.get("KENNEL_API_KEY")
    if api:
        return Api(api, key, top, concurrency)
    service = outputs.read("service", env)
    if endpoint:
        return Endpoint(service["endpoint_name"], service.region, top, concurrency)
    return Api(service["predict_url"], key or service.get("api_key"), top, concurrency)


def answers(classifier: Classifier, names: list[str], concurrency: int) -> Rows:
    """A row for each picture, in their order; the next files are read as places come free."""
    stop = threading.Event()

    def ask(name: str) -> Row:
        began = time.monotonic()
        try:
            content = None if is_url(name) else Path(name).read_bytes()
        except OSError as error:  # not of asking: botocore's lost connections are such errors too
            counter.advance(1)
            return {"picture": name, "error": f"cannot be read: {error.strerror}", "status": 0}
        try:
            answer = patiently(classifier, Picture(name, content), stop)
        except Refused as refused:
            return {"picture": name, "error": str(refused), "status": refused.status}
        finally:
            counter.advance(1)
        milliseconds = round((time.monotonic() - began) * 1000, 1)
        return {"picture": name, **answer, "milliseconds": milliseconds}

    with (
        counted("classifying", len(names), "pictures") as counter,
        closing(in_order(ask, names, concurrency, stop)) as rows,
    ):
        yield from rows


class Tally:
    """What came out, for the last line and the exit code."""

    def __init__(self) -> None:
        self.failed, self.times = 0, list[float]()

    def counting(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            if "error" in row:
                self.failed += 1
            else:
                self.times.append(row["milliseconds"])
            yield row


def report(tally: Tally, seconds: float) -> None:
    done = len(tally.times)
    if done:
        rate, median = done / max(seconds, 1e-6), statistics.median(tally.times)
        click.echo(f"{done} classified, {rate:.1f}/s, median {median:.0f} ms", err=True)
    if tally.failed:
        raise Failed(f"{tally.failed} of {done + tally.failed} pictures could not be classified")


def as_lines(rows: Iterable[Row]) -> None:
    for row in rows:
        click.echo(json.dumps(row))


def as_rows(rows: Iterable[Row]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(["picture", "rank", "label", "probability", "error"])
    for row in rows:
        if "error" in row:
            writer.writerow([row["picture"], "", "", "", row["error"]])
        for rank, each in enumerate(row.get("predictions", []), start=1):
            writer.writerow([row["picture"], rank, each["label"], each["probability"], ""])


def as_table(rows: Iterable[Row]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("picture", overflow="fold")
    table.add_column("class")
    table.add_column("", justify="right")
    table.add_column("then", style="dim")
    for row in rows:
        if "error" in row:
            table.add_row(row["picture"], f"[red]{row['error']}[/]")
            continue
        first, *others = row["predictions"]
        then = ", ".join(f"{each['label']} {each['probability']:.1%}" for each in others)
        table.add_row(row["picture"], first["label"], f"{first['probability']:.1%}", then)
    Console(highlight=False).print(table)
