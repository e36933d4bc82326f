"""The model folder as one file, the same bytes for the same model."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path


def pack(folder: Path, target: Path) -> str:
    """The model folder as model.tar.gz: the same bytes for the same files. Returns its sha256."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size, entry.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                archive.addfile(entry, file)
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=6, mtime=0) as stream:
        stream.write(tar.getbuffer())
    target.write_bytes(packed.getbuffer())
    return hashlib.sha256(packed.getbuffer()).hexdigest()
