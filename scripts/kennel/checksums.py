"""SHA-256 as S3 keeps it with an object: of the whole, or of the digests of its parts.

Parts are cut by one rule, so that a file and an object that was uploaded from it can be compared
without reading the object.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
WHOLE = 16 * MIB  # up to here a file goes as one
MOST_PARTS = 10_000  # S3's limit


def part_size(size: int) -> int:
    """0: the file goes as one."""
    if size <= WHOLE:
        return 0
    return max(8 * MIB, -(-size // MOST_PARTS // MIB) * MIB + MIB)


def parts(size: int) -> list[tuple[int, int]]:
    """Start and length of each part; none of a file that goes as one."""
    step = part_size(size)
    return [(start, min(step, size - start)) for start in range(0, size, step)] if step else []


def of_object(head: Mapping[str, Any]) -> str | None:
    """What HeadObject says; None if it says nothing that a file could be compared with.

    Another program may have kept no SHA-256, or have cut its parts by another rule: their number
    is in the ETag, DIGEST-PARTS.
    """
    digest = str(head.get("ChecksumSHA256", "")).partition("-")[0]
    cut = int(head["ETag"].strip('"').partition("-")[2] or 0)
    return digest if digest and cut == len(parts(head["ContentLength"])) else None


def read(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(length)


def of_bytes(content: bytes) -> str:
    return b64encode(hashlib.sha256(content).digest()).decode()


def of_file(path: Path) -> str:
    """What S3 says of an object that was uploaded from this file by our rule."""
    size = path.stat().st_size
    if not part_size(size):
        return of_bytes(path.read_bytes())
    return of_bytes(b"".join(hashlib.sha256(read(path, *part)).digest() for part in parts(size)))
