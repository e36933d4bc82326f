"""Pictures at s3:// URLs, read with the function's own role from the buckets in its settings."""

from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError

from invoke.aws import Client
from invoke.deadline import Deadline
from invoke.problems import Problem

SCHEME = "s3://"
SECONDS = 10.0


class Buckets:
    def __init__(self, names: tuple[str, ...], client: Client, most_bytes: int) -> None:
        self._names = names
        self._client = client
        self._most_bytes = most_bytes

    def fetch(self, url: str, deadline: Deadline) -> bytes:
        """The object behind an s3:// URL; a Problem where it is refused or gives none."""
        path = self._path(url)
        try:
            response = self._client.call("GET", path, {}, b"", deadline.within(SECONDS))
            try:
                return self._content(response)
            finally:
                response.close()
        except HTTPError as error:
            raise Problem(502, "S3 did not send the object: try again") from error

    def _path(self, url: str) -> str:
        bucket, _, key = url.removeprefix(SCHEME).partition("/")
        if bucket not in self._names:
            raise Problem(403, "pictures are not read from this bucket: it is not on the list")
        if not key:
            raise Problem(400, "the URL names no object: s3://bucket/key")
        if {".", ".."} & set(key.split("/")):  # on the way they would lead to another bucket
            raise Problem(400, "the URL's object holds . or .. as a part: it cannot be read")
        return f"/{bucket}/{quote(key, safe='/-._~')}"

    def _content(self, response: "urllib3.BaseHTTPResponse") -> bytes:
        if response.status in (403, 404):
            raise Problem(422, "the object does not exist, or may not be read")
        if response.status != 200:
            raise Problem(502, "S3 did not send the object: try again")
        content = response.read(self._most_bytes + 1)
        if len(content) > self._most_bytes:
            raise Problem(413, f"the object has more than {self._most_bytes} bytes")
        return content
