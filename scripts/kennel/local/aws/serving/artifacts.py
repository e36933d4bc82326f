"""Model artifacts from the emulated S3, unpacked once and given to each instance read-only."""

import hashlib
import io
import os
import shutil
import tarfile
import threading
from pathlib import Path

from kennel.local.aws.bucket import Access, Bucket, Place, Unreadable
from kennel.local.aws.house import House

MOST_BYTES = 32 * 1024**3


class Unavailable(Exception):
    """There is no such artifact, or it is none; the message is the endpoint's failure reason."""


class Artifacts:
    """Unpacks model.tar.gz; the files of one artifact are on disk once, however many serve it."""

    def __init__(self, folder: Path, house: House) -> None:
        self._folder = folder
        self._house = house
        self._lock = threading.Lock()

    def give(self, url: str, role: str, folder: Path) -> None:
        """Put the artifact's files under `folder`, as the container's /opt/ml/model."""
        shutil.copytree(self._unpacked(url, role), folder, copy_function=os.link)
        make_read_only(folder)

    def _unpacked(self, url: str, role: str) -> Path:
        content = fetched(url, Access(self._house, role, "SageMaker"))
        folder = self._folder / hashlib.sha256(content).hexdigest()
        with self._lock:
            if not folder.exists():
                new = folder.with_suffix(".new")
                shutil.rmtree(new, ignore_errors=True)
                new.mkdir(parents=True)
                unpack(content, new, url)
                new.rename(folder)
        return folder


def fetched(url: str, access: Access) -> bytes:
    """As the model's role, whose rights S3 checks where enforcement is on."""
    try:
        return Bucket(access).read(Place.of(url))
    except Unreadable as error:
        raise Unavailable(
            f"Failed to download model data for container 'container_1' from URL: '{url}'. Please "
            "ensure that there is an object located at the URL and that the role passed to "
            f"CreateModel has permissions to download the model. {error}"
        ) from error


def unpack(content: bytes, folder: Path, url: str) -> None:
    """Regular files and folders that stay inside; SageMaker refuses others too."""
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
            for entry in tar:
                total += entry.size
                if not (entry.isreg() or entry.isdir()) or total > MOST_BYTES:
                    raise Unavailable(f"{url} holds {entry.name!r}, which cannot be unpacked")
                tar.extract(entry, folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Unavailable(f"{url} is not a tar.gz archive: {error}") from error


def make_read_only(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
