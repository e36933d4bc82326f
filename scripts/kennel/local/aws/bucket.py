"""Buckets as a job uses them: with its role's credentials, through the emulated S3's own API."""

import gzip
import json
import os
import tarfile
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.sts.models import sts_backends

from kennel.local.aws.house import House

AT_ONCE = 8  # objects that are fetched at the same time
QUICK = Config(
    retries={"total_max_attempts": 1},
    s3={"addressing_style": "path"},
    read_timeout=600,
    max_pool_connections=AT_ONCE,
)


class Unreadable(Exception):
    """What a job is to read is not there, or its role may not; the message is for its status."""


@dataclass(frozen=True)
class Place:
    bucket: str
    key: str  # of an object, or the beginning of many

    @classmethod
    def of(cls, uri: str) -> "Place":
        parts = urlsplit(uri, allow_fragments=False)
        if parts.scheme != "s3" or not parts.netloc:
            raise Unreadable(f"{uri!r} is no place in S3: it must be s3://BUCKET/PREFIX")
        return cls(parts.netloc, parts.path.lstrip("/"))

    def below(self, name: str) -> "Place":
        return Place(self.bucket, f"{self.key.rstrip('/')}/{name}".lstrip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Entry:
    """An object, and the name it gets below the folder it is fetched to."""

    place: Place
    name: str


class Access:
    """Clients of the emulated services with the credentials of a role."""

    # Reads the services' descriptions once; making clients from it is not safe at the same time.
    _session: ClassVar = boto3.session.Session()
    _lock: ClassVar = threading.Lock()

    def __init__(self, house: House, role: str, session: str) -> None:
        self._house = house
        backend = sts_backends[house.account]["aws"]
        given = backend.assume_role(house.region, session[:64], role, "", 43_200, "")
        self._keys = {
            "aws_access_key_id": given.access_key_id,
            "aws_secret_access_key": given.secret_access_key,
            "aws_session_token": given.session_token,
        }

    def variables(self) -> dict[str, str]:
        """As processes of others take the credentials."""
        return {name.upper(): value for name, value in self._keys.items()}

    def client(self, service: str) -> Any:
        where = {"endpoint_url": self._house.address, "region_name": self._house.region}
        with self._lock:
            client: Any = self._session.client
            return client(service, config=QUICK, **where, **self._keys)


class Bucket:
    """What jobs do with objects. Not one bucket alone: each place names its own."""

    def __init__(self, access: Access) -> None:
        self._client = access.client("s3")

    def entries(self, uri: str, kind: str = "S3Prefix") -> list[Entry]:
        """Of a prefix or of a manifest, sorted by key; Unreadable if there is none."""
        place = Place.of(uri)
        if kind == "ManifestFile":
            return list(manifest_entries(place, self.read(place)))
        found = [Entry(each, relative(place.key, each.key)) for each in self.places(place)]
        if not found:
            raise Unreadable(f"there are no objects under {uri}")
        return found

    def places(self, prefix: Place) -> list[Place]:
        """Those whose keys begin so, but for the empty objects that stand for folders."""
        pages = self._client.get_paginator("list_objects_v2")
        with readable(str(prefix)):
            return [
                Place(prefix.bucket, each["Key"])
                for page in pages.paginate(Bucket=prefix.bucket, Prefix=prefix.key)
                for each in page.get("Contents", [])
                if not each["Key"].endswith("/")
            ]

    def read(self, place: Place) -> bytes:
        with readable(str(place)):
            answer = self._client.get_object(Bucket=place.bucket, Key=place.key)
            return bytes(answer["Body"].read())

    def fetch(self, entries: Iterable[Entry], folder: Path, *, unzip: bool = False) -> None:
        """Put the objects under a folder."""
        folder.mkdir(parents=True, exist_ok=True)

        def fetch(entry: Entry) -> None:
            content = self.read(entry.place)
            path = inside(folder, entry.name.removesuffix(".gz") if unzip else entry.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.decompress(content) if unzip else content)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(fetch, entries):
                pass

    def write(self, place: Place, content: bytes | Path, key: str | None = None) -> None:
        """One object, encrypted with a key if there is one."""
        how = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
        where = {"Bucket": place.bucket, "Key": place.key}
        if isinstance(content, Path):
            self._client.upload_file(str(content), **where, ExtraArgs=how)
        else:
            self._client.put_object(**where, Body=content, **how)

    def delete(self, place: Place) -> None:
        self._client.delete_object(Bucket=place.bucket, Key=place.key)

    def pack(self, place: Place, folders: Sequence[Path], key: str | None = None) -> None:
        """The files of all folders as one tar.gz; of two with the same name the last one stays."""
        files = dict(pair for folder in folders for pair in files_in(folder))
        with tempfile.NamedTemporaryFile(suffix=".tar.gz") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
                for name, path in sorted(files.items()):
                    tar.add(path, name, recursive=False)
            file.flush()
            self.write(place, Path(file.name), key)

    def copy(self, place: Place, folders: Sequence[Path], key: str | None = None) -> None:
        """The files of all folders as an object each."""
        for folder in folders:
            for name, path in files_in(folder):
                self.write(place.below(name), path, key)


class readable:  # noqa: N801 - reads as a statement: with readable(uri)
    """Inside, S3's refusals become Unreadable."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ClientError):
            said = error.response["Error"]
            status = error.response["ResponseMetadata"].get("HTTPStatusCode")
            message = f"{said.get('Code')} ({status}): {said.get('Message')}"
            raise Unreadable(f"{message}, of {self._uri}") from error


class Mirror:
    """A folder and a prefix that are to hold the same, while the folder changes."""

    def __init__(self, bucket: Bucket, place: Place, folder: Path) -> None:
        self._bucket, self._place, self._folder = bucket, place, folder
        self._known: dict[str, tuple[int, int]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def fetch(self) -> None:
        """What the prefix holds; later additions to it are not looked for, as on AWS."""
        prefix = Place(self._place.bucket, self._place.key.rstrip("/") + "/")
        entries = [Entry(each, each.key[len(prefix.key) :]) for each in self._bucket.places(prefix)]
        self._bucket.fetch(entries, self._folder)
        self._known = {name: mark_of(path) for name, path in files_in(self._folder)}

    def send(self) -> None:
        """What is new or other in the folder; what is gone from it goes from the prefix too."""
        seen = {}
        for name, path in files_in(self._folder):
            with suppress(FileNotFoundError):  # the next look sees what became of it
                seen[name] = mark = mark_of(path)
                if self._known.get(name) != mark:
                    self._bucket.write(self._place.below(name), path.read_bytes())
        for name in self._known.keys() - seen.keys():
            self._bucket.delete(self._place.below(name))
        self._known = seen


def share_of(entries: Sequence[Entry], number: int, count: int) -> Sequence[Entry]:
    """The objects of one of `count` hosts, as ShardedByS3Key gives them out."""
    return entries[number::count]


def relative(prefix: str, key: str) -> str:
    """A key's name below a prefix, which may end within a name or be the whole of it."""
    if key.startswith(prefix.rstrip("/") + "/") and prefix:
        return key[len(prefix.rstrip("/")) + 1 :]
    return key[prefix.rfind("/") + 1 :]


def manifest_entries(place: Place, content: bytes) -> Iterator[Entry]:
    """[{"prefix": "s3://bucket/folder/"}, "one.jpg", "other.jpg"]"""
    try:
        first, *names = json.loads(content)
        prefix = Place.of(first["prefix"])
        for name in names:
            yield Entry(Place(prefix.bucket, prefix.key + name), str(name).lstrip("/"))
    except (ValueError, TypeError, KeyError) as error:
        raise Unreadable(f"{place} is no manifest of S3 objects: {error}") from error


def files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder).as_posix(), path


def mark_of(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def inside(folder: Path, name: str) -> Path:
    """A path for an object's name that cannot lead out of the folder."""
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(folder) or path == folder:
        raise Unreadable(f"the key {name!r} cannot be a file's name")
    return path
