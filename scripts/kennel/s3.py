"""Names of S3 objects, and the small files that verbs pass to each other there."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kennel.errors import UserError


def split(uri: str) -> tuple[str, str]:
    """s3://bucket/some/key as bucket and key."""
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise UserError(f"{uri!r} is not an address in S3: write s3://bucket/key")
    return parts.netloc, uri.removeprefix(f"s3://{parts.netloc}").lstrip("/")


def exists(client: Any, uri: str) -> bool:
    """An object of this very name."""
    bucket, key = split(uri)
    answer = client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    return any(each["Key"] == key for each in answer.get("Contents", []))


def keys(client: Any, uri: str) -> list[tuple[str, int]]:
    """All objects whose names begin so, with their sizes."""
    bucket, prefix = split(uri)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [(each["Key"], each["Size"]) for page in pages for each in page.get("Contents", [])]


def is_empty(client: Any, uri: str) -> bool:
    bucket, prefix = split(uri)
    return not client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents")


def read(client: Any, uri: str) -> bytes:
    bucket, key = split(uri)
    return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())


def write_json(client: Any, uri: str, content: Any) -> None:
    bucket, key = split(uri)
    body = (json.dumps(content, indent=1) + "\n").encode()
    client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")


def download(client: Any, uri: str, path: Path) -> None:
    """The file appears when it is whole."""
    bucket, key = split(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        client.download_file(bucket, key, str(partial))
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
