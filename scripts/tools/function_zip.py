"""The function's zip: the same bytes for the same source.

    python scripts/tools/function_zip.py build/function.zip

Terraform deploys the function anew when the zip's hash changes, so nothing may be in it that is
not source: no dates, no owners, no order of the file system. Only another implementation of zlib
could change the bytes, and the cost of that is one needless deployment.
"""

import sys
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "functions"
OLDEST = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold
MODE = 0o100644 << 16  # a regular file that all may read: Lambda runs as another user


def members(source: Path) -> list[Path]:
    """The modules. The API's description stays out: only the gateway reads it."""
    return sorted(source.glob("invoke/*.py"))


def write(target: Path, source: Path = SOURCE) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for path in members(source):
            entry = zipfile.ZipInfo(path.relative_to(source).as_posix(), OLDEST)
            entry.create_system = 3  # Unix, whatever this machine is
            entry.external_attr = MODE
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    target = Path(arguments[0])
    write(target)
    print(f"{target}: {target.stat().st_size / 1024:.1f} KB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
