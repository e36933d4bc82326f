"""model.tar.gz on this side of the contract: taken apart with the caution due to any file."""

import tarfile
from pathlib import Path

from kennel.errors import UserError

GRAPHS = ("openvino/model", "openvino/model-int8")
ALLOWED = {"manifest.json", "model.safetensors"}
ALLOWED |= {f"{graph}.{suffix}" for graph in GRAPHS for suffix in ("bin", "xml")}
MOST_BYTES = 4 * 1024**3


def unpack(archive: Path, folder: Path) -> None:
    """Regular files with the names of the contract, each once, and nothing else."""
    seen: set[str] = set()
    total = 0
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for entry in tar:
                total += entry.size
                if not entry.isreg() or entry.name not in ALLOWED or entry.name in seen:
                    raise UserError(f"{archive} holds {entry.name!r}, which no model artifact has")
                if total > MOST_BYTES:
                    raise UserError(f"{archive} unpacks to more than {MOST_BYTES} bytes")
                seen.add(entry.name)
                content = tar.extractfile(entry)
                assert content is not None  # noqa: S101 - it is a regular file
                path = folder / entry.name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    while chunk := content.read(1 << 20):
                        file.write(chunk)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"{archive} is not a whole model.tar.gz: {error}") from error
    if "manifest.json" not in seen:
        raise UserError(f"{archive} holds no manifest.json: it is not a model artifact")
