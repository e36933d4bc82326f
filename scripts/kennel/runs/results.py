"""What a run has left besides the model: the report for people, the release for machines."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from kennel.errors import UserError
from kennel.runs.run import Result

REPORT, RELEASE = "report.html", "release.json"
WANTED = (REPORT, RELEASE, "metrics.jsonl")
MOST_BYTES = 64 * 1024**2  # of one of them


def unpack(archive: bytes, folder: Path) -> None:
    """The files we know, out of output.tar.gz; whatever else a container wrote stays there."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for entry in tar:
                name = Path(entry.name).name
                if name in WANTED and entry.isreg() and entry.size <= MOST_BYTES:
                    content = tar.extractfile(entry)
                    assert content is not None  # noqa: S101 - it is a regular file
                    folder.joinpath(name).write_bytes(content.read())
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"the job's output.tar.gz is not whole: {error}") from error


def result(model_data: str, folder: Path) -> Result:
    return Result(model_data, folder, release(folder))


def release(folder: Path) -> dict[str, Any]:
    path = folder / RELEASE
    try:
        return dict(json.loads(path.read_text())) if path.exists() else {}
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from error
