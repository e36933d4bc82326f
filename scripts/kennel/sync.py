"""`kennel data push` and `pull`: a picture set, or what was packed of it, to S3 and back.

What is equal is not sent again, by its SHA-256, which S3 keeps with every object and checks on
arrival. An interrupted push or pull goes on where it stopped, within a large file too.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError
from rich.console import Console

from kennel import aws, check, checksums, folder, outputs, s3
from kennel.errors import UserError
from kennel.parallel import in_order
from kennel.progress import Counter, counted

WORKERS = 16
PARTS_AT_ONCE = 8  # each holds a part in memory
TRIES = 5
console = Console(stderr=True, highlight=False)


class Interrupted(Exception):
    """Another file has failed, or the user wants to stop: leave the rest for the next time."""


@dataclass(frozen=True)
class Place:
    """Where a set lies in S3. Every call says whose bucket it has to be."""

    s3: Any
    bucket: str
    prefix: str  # ends with /

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def owned(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "ExpectedBucketOwner": aws.account()}

    def objects(self) -> dict[str, int]:
        """Names below the prefix, with their sizes."""
        found = s3.keys(self.s3, self.uri)
        return {key.removeprefix(self.prefix): size for key, size in found if key[-1] != "/"}

    def head(self, name: str) -> dict[str, Any]:
        answer = self.s3.head_object(**self.owned, Key=self.prefix + name, ChecksumMode="ENABLED")
        return dict(answer)


def place(name: str, env: str) -> Place:
    platform = outputs.read("platform", env)
    client = aws.client("s3", platform.region, max_pool_connections=WORKERS + PARTS_AT_ONCE)
    bucket = str(platform["bucket_names"]["data"])
    aws.own_bucket(client, bucket)
    return Place(client, bucket, f"{name}/")


def named(root: Path, name: str | None) -> str:
    """The set's name in the bucket: what comes before the first slash of its objects."""
    chosen = name or root.absolute().name
    if not chosen or chosen in (".", "..") or "/" in chosen or chosen.startswith("."):
        raise click.UsageError(f"{chosen!r} cannot name a set: give --name, without a slash")
    return chosen


def options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """What push and pull have in common."""
    verb = click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")(verb)
    verb = click.option("--dry-run", is_flag=True, help="Compare, and move nothing.")(verb)
    name = "The set's name in the data bucket [default: the folder's]."
    return outputs.environment(click.option("--name", help=name)(verb))


@click.command()
@click.argument("root", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False))
@click.option("--delete", is_flag=True, help="Remove from S3 what FOLDER does not have.")
@options
def push(
    root: Path, *, name: str | None, env: str, delete: bool, as_json: bool, dry_run: bool
) -> None:
    """Send FOLDER, a picture set or the result of `kennel data pack`, to the data bucket.

        kennel data push pictures --name dogs

    A set that `kennel data check` finds broken is not sent. Training reads all that lies under the
    name: if something lies there that FOLDER does not have, it must go (--delete) or nothing comes.
    """
    if not root.is_dir():
        raise UserError(f"there is no folder {root}")
    there = place(named(root, name), env)
    names = contents(root)
    present = there.objects()
    strangers = sorted(present.keys() - set(names))
    if strangers and not delete:
        raise UserError(
            f"{there.uri} has {len(strangers)} files that {root} does not have, such as "
            f"{strangers[0]}; training would read them too: --delete removes them, --name chooses "
            "another place"
        )
    began = time.monotonic()
    done = _run(Sender(there, root, present, dry_run=dry_run), names, "pushing")
    for start in range(0, len(strangers) if not dry_run else 0, 1000):
        batch = [{"Key": there.prefix + each} for each in strangers[start : start + 1000]]
        there.s3.delete_objects(**there.owned, Delete={"Objects": batch, "Quiet": True})
    result = {"folder": str(root), "uri": there.uri, **done, "deleted": len(strangers)}
    report(result, time.monotonic() - began, "push", as_json=as_json, dry_run=dry_run)


@click.command()
@click.argument("root", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False))
@options
def pull(root: Path, *, name: str | None, env: str, as_json: bool, dry_run: bool) -> None:
    """Fetch the set that lies in the data bucket under FOLDER's name (or --name) into FOLDER."""
    there = place(named(root, name), env)
    present = there.objects()
    if not present:
        raise UserError(
            f"there is nothing under {there.uri}: `kennel data push` sends a set, and `aws s3 ls "
            f"s3://{there.bucket}/` lists those that are there"
        )
    for each in present:
        if ".." in each.split("/") or each.startswith("/"):
            raise UserError(f"{there.uri}{each} would be written outside of {root}: rename it")
    began = time.monotonic()
    done = _run(Fetcher(there, root, present, dry_run=dry_run), sorted(present), "pulling")
    result = {"folder": str(root), "uri": there.uri, **done}
    report(result, time.monotonic() - began, "pull", as_json=as_json, dry_run=dry_run)


def report(
    result: dict[str, Any], seconds: float, verb: str, *, as_json: bool, dry_run: bool
) -> None:
    if as_json:
        click.echo(json.dumps(result | {"seconds": round(seconds, 1), "dry_run": dry_run}))
        return
    what = f"would {verb}" if dry_run else f"{verb}ed"
    rate = f" in {seconds:.1f} s, {result['bytes'] / 1e6 / max(seconds, 0.001):.1f} MB/s"
    ends = (result["folder"], result["uri"])
    source, target = ends if verb == "push" else ends[::-1]
    click.echo(
        f"{what} {result['moved']} files, {result['bytes'] / 1e6:.1f} MB, from {source} to {target}"
        f"{'' if dry_run else rate}; {result['same']} were equal"
        + (f"; {result['deleted']} deleted" if result.get("deleted") else "")
    )


# What is sent -----------------------------------------------------------------------------------


def contents(root: Path) -> list[str]:
    """The files of a sound set, in the order to send them in."""
    if (root / "index.json").exists():
        return packed(root)
    console.print(f"checking {root}")
    findings = [*check.layout(root, fewest=1), *check.contents(root)]
    errors = [each for each in findings if each.level == "error"]
    if errors:
        listed = "".join(f"\n  {each.path}: {each.what}" for each in errors[:5])
        raise UserError(
            f"{root} is not fit for training, for {len(errors)} reasons:{listed}\n"
            f"`kennel data check {root}` lists all; mend them and push again"
        )
    return [f"{split}/{name}" for split in folder.SPLITS for name in folder.names(root, split)]


def packed(root: Path) -> list[str]:
    """The tar files that the index names, each as it was packed; the index comes last of all."""
    try:
        index = json.loads((root / "index.json").read_text())
        shards = [each for split in index["splits"].values() for each in split["shards"]]
        wanted = {str(each["file"]): str(each["sha256"]) for each in shards}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{root}/index.json is not what `kennel data pack` writes") from error
    for name, digest in wanted.items():
        if not (root / name).is_file():
            raise UserError(f"{root} lacks {name}, which its index.json names: pack the set anew")
        with (root / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise UserError(f"{root}/{name} has changed since it was packed: pack the set anew")
    return [*sorted(wanted), "index.json"]


# How it moves -----------------------------------------------------------------------------------


class Mover:
    """Moves one file at a time, if need be; many threads call it."""

    def __init__(self, place: Place, root: Path, present: dict[str, int], *, dry_run: bool) -> None:
        self.place, self.root, self.present = place, root, present
        self.dry_run, self.stop = dry_run, threading.Event()
        self.counter = Counter(0, lambda _: None)

    def size(self, name: str) -> int:
        raise NotImplementedError

    def move(self, name: str) -> None:
        raise NotImplementedError

    def is_same(self, name: str) -> bool:
        path = self.root / name
        if not path.is_file() or self.present.get(name) != path.stat().st_size:
            return False
        return checksums.of_object(self.place.head(name)) == checksums.of_file(path)

    def __call__(self, name: str) -> int | None:
        """How many bytes were moved; None if the file was the same at both ends."""
        self.check()
        if self.is_same(name):
            self.counter.leave_out(self.size(name))
            return None
        if not self.dry_run:
            self.move(name)
        return self.size(name)

    def check(self) -> None:
        if self.stop.is_set():
            raise Interrupted


def _run(mover: Mover, names: list[str], what: str) -> dict[str, int]:
    moved = []
    # The index of a packed set says that all is there: it waits until all is.
    first, last = (names[:-1], names[-1:]) if names[-1:] == ["index.json"] else (names, [])
    with counted(what, sum(mover.size(name) for name in names), "B") as mover.counter:
        for group in (first, last):
            with closing(in_order(mover, group, WORKERS, mover.stop)) as results:
                moved += list(results)
    sizes = [each for each in moved if each is not None]
    return {"moved": len(sizes), "bytes": sum(sizes), "same": len(moved) - len(sizes)}


class Sender(Mover):
    def size(self, name: str) -> int:
        return (self.root / name).stat().st_size

    def move(self, name: str) -> None:
        path = self.root / name
        if checksums.part_size(self.size(name)):
            self.send_parts(path, self.place.prefix + name)
            return
        content = path.read_bytes()
        self.place.s3.put_object(
            **self.place.owned,
            Key=self.place.prefix + name,
            Body=content,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=checksums.of_bytes(content),
        )
        self.counter.advance(len(content))

    def send_parts(self, path: Path, key: str) -> None:
        """Parts that an earlier try has sent stay; S3 puts all together when it has them all."""
        owned = self.place.owned
        upload, held = self.begun(key)
        arguments = owned | {"Key": key, "UploadId": upload}

        def send(number: int, start: int, length: int) -> dict[str, Any]:
            self.check()
            content = checksums.read(path, start, length)
            digest = checksums.of_bytes(content)
            part = {"PartNumber": number, "ChecksumSHA256": digest}
            if (found := held.get(number)) and is_part(found, content, digest):
                self.counter.leave_out(length)
                return part | {"ETag": found["ETag"]}
            answer = self.place.s3.upload_part(
                **arguments, **part, Body=content, ChecksumAlgorithm="SHA256"
            )
            self.counter.advance(length)
            return part | {"ETag": answer["ETag"]}

        with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
            cut = enumerate(checksums.parts(path.stat().st_size), start=1)
            sent = [pool.submit(send, number, *part) for number, part in cut]
            try:
                parts = [each.result() for each in sent]
            except BaseException:
                self.stop.set()
                raise
        self.place.s3.complete_multipart_upload(**arguments, MultipartUpload={"Parts": parts})

    def begun(self, key: str) -> tuple[str, dict[int, dict[str, Any]]]:
        """The upload that an earlier try has begun, with its parts, or a new one."""
        client, owned = self.place.s3, self.place.owned
        pages = client.get_paginator("list_multipart_uploads").paginate(**owned, Prefix=key)
        for upload in (each for page in pages for each in page.get("Uploads", [])):
            if upload["Key"] == key and upload.get("ChecksumAlgorithm") == "SHA256":
                chosen = owned | {"Key": key, "UploadId": upload["UploadId"]}
                listed = client.get_paginator("list_parts").paginate(**chosen)
                held = (each for page in listed for each in page.get("Parts", []))
                return str(upload["UploadId"]), {each["PartNumber"]: each for each in held}
        answer = client.create_multipart_upload(**owned, Key=key, ChecksumAlgorithm="SHA256")
        return str(answer["UploadId"]), {}


def is_part(held: dict[str, Any], content: bytes, digest: str) -> bool:
    """Whether S3 holds this very part; where it keeps no SHA-256, its ETag is the MD5."""
    if "ChecksumSHA256" in held:
        return bool(held["ChecksumSHA256"] == digest)
    tag = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return str(held["ETag"]).strip('"') == tag


class Fetcher(Mover):
    def size(self, name: str) -> int:
        return self.present[name]

    def move(self, name: str) -> None:
        """Into a file beside, named after the object's version, until it is whole and right."""
        head, path = self.place.head(name), self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        version = hashlib.sha256(head["ETag"].encode()).hexdigest()[:8]
        partial = path.with_name(f".{path.name}.{version}.partial")
        if partial.exists():
            self.counter.leave_out(partial.stat().st_size)
        self.fetch(self.place.prefix + name, head, partial)
        wanted = checksums.of_object(head)
        if wanted and checksums.of_file(partial) != wanted:
            partial.unlink()
            raise UserError(f"{self.place.uri}{name} arrived damaged: pull again")
        partial.replace(path)

    def fetch(self, key: str, head: dict[str, Any], partial: Path) -> None:
        size, failures = int(head["ContentLength"]), 0
        while (have := partial.stat().st_size if partial.exists() else 0) < size:
            try:
                self.append(key, head["ETag"], partial, have)
            except BotoCoreError:
                failures += 1
                if failures == TRIES or self.stop.is_set():
                    raise
                time.sleep(2**failures / 4)
        partial.touch()

    def append(self, key: str, version: str, partial: Path, have: int) -> None:
        wanted = {"IfMatch": version} | ({"Range": f"bytes={have}-"} if have else {})
        answer = self.place.s3.get_object(**self.place.owned, Key=key, **wanted)
        with closing(answer["Body"]) as body, partial.open("ab") as file:
            for chunk in body.iter_chunks(checksums.MIB):
                self.check()
                file.write(chunk)
                self.counter.advance(len(chunk))
