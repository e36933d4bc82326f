"""From a request to a query: which pictures, and how the answer is to look."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from invoke.events import Request
from invoke.problems import Problem

MOST_BYTES = 6_291_456  # of a picture: what the endpoint takes
MOST_URLS = 4  # all of their pictures are in memory at once
MOST_TOP = 1000
NUMBER = re.compile("[0-9]{1,4}")
PICTURES = ("image/jpeg", "image/png", "image/webp")
FORMS = '{"url": "https://..."}, {"urls": ["https://...", ...]} or {"image": "<base64>"}'


class Url(NamedTuple):
    text: str


Source = bytes | Url


class Options(NamedTuple):
    top: int = 5
    logits: bool = False

    @property
    def attributes(self) -> str:
        """As the server takes them."""
        return f"top={self.top},logits={str(self.logits).lower()}"


class Query(NamedTuple):
    sources: list[Source]
    listed: bool  # whether the answer is a list, with a result for each source
    options: Options


def parse(request: Request) -> Query:
    """What is asked; a Problem that names the fault where that cannot be told."""
    if request.document is not None:
        return plain(request.document)
    options = options_of({name: single(name, values) for name, values in request.query.items()})
    if not request.body:
        raise Problem(400, f"the body is empty: send a picture, or JSON: {FORMS}")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in PICTURES:
        return Query([limited(request.body)], listed=False, options=options)
    if kind == "application/json":
        return in_document(document_in(request.body), options)
    raise Problem(415, f"the content type is not one of {', '.join(PICTURES)}, application/json")


def plain(document: object) -> Query:
    """A plain event: the options lie beside the picture."""
    if not isinstance(document, dict):
        raise Problem(400, f"the event must be an object: {FORMS}")
    rest = {name: value for name, value in document.items() if name not in ("top", "logits")}
    texts = {
        name: str(value).lower() if isinstance(value, bool | int) else value
        for name, value in document.items()
        if name not in rest
    }
    return in_document(rest, options_of(texts))


def single(name: str, values: list[str]) -> str:
    if len(values) > 1:
        raise Problem(400, f"the parameter {name} is given more than once")
    return values[0]


def options_of(parameters: Mapping[str, object]) -> Options:
    for name in parameters:
        if name not in ("top", "logits"):
            raise Problem(400, f"there is no parameter {name[:50]}: there are top and logits")
    top, logits = parameters.get("top", "5"), parameters.get("logits", "false")
    if not (isinstance(top, str) and NUMBER.fullmatch(top) and 1 <= int(top) <= MOST_TOP):
        raise Problem(400, f"the parameter top must be a number from 1 to {MOST_TOP}")
    if logits not in ("true", "false"):
        raise Problem(400, "the parameter logits must be true or false")
    return Options(int(top), logits == "true")


def document_in(body: bytes) -> object:
    try:
        return json.loads(body)
    except RecursionError:
        raise Problem(400, "the JSON is nested too deeply") from None
    except ValueError:
        raise Problem(400, "the body is not JSON, though its content type says so") from None


def in_document(document: object, options: Options) -> Query:
    if not isinstance(document, dict) or len(document) != 1:
        raise Problem(400, f"the JSON must be an object with one field: {FORMS}")
    match document:
        case {"image": image}:
            return Query([picture_in(image)], listed=False, options=options)
        case {"url": url}:
            return Query([url_in(url, "url")], listed=False, options=options)
        case {"urls": urls}:
            return Query(urls_in(urls), listed=True, options=options)
    raise Problem(400, f"there is no field {next(iter(document))[:50]}: send {FORMS}")


def picture_in(text: object) -> bytes:
    try:
        picture = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        picture = b""
    if not picture:
        raise Problem(400, "the field image must hold the bytes of a picture in base64")
    return limited(picture)


def url_in(text: object, name: str) -> Url:
    if not isinstance(text, str) or not text:
        raise Problem(400, f"the field {name} must hold a URL as text")
    return Url(text)


def urls_in(urls: object) -> list[Source]:
    if not isinstance(urls, list) or not 1 <= len(urls) <= MOST_URLS:
        raise Problem(400, f"the field urls must hold a list of 1 to {MOST_URLS} URLs")
    return [url_in(url, "urls") for url in urls]


def limited(picture: bytes) -> bytes:
    if len(picture) > MOST_BYTES:
        raise Problem(413, f"the picture has more than {MOST_BYTES} bytes: send a smaller one")
    return picture
