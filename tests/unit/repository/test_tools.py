"""What make itself needs: lock files in step, and a Terraform that is the published one."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import locks
import pytest

import terraform


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> locks.Lock:
    """A lock in step with its input, in a repository of its own."""
    monkeypatch.setattr(locks, "ROOT", tmp_path)
    (tmp_path / "base.in").write_text("attrs\n")
    (tmp_path / "some.in").write_text("-r base.in\nidna\n")
    lock = locks.Lock("some.lock", ("some.in",))
    pin = "idna==3.20 \\\n    --hash=sha256:00\n"
    (tmp_path / "some.lock").write_text(locks.header(lock) + pin)
    return lock


def test_a_lock_in_step_has_no_faults(lock: locks.Lock) -> None:
    assert locks.faults(lock) == []


@pytest.mark.parametrize("name", ["some.in", "base.in"])
def test_a_changed_input_is_found_included_ones_too(lock: locks.Lock, name: str) -> None:
    (locks.ROOT / name).write_text("-r base.in\nother\n" if name == "some.in" else "other\n")
    assert locks.faults(lock) == ["some.lock is not in step with some.in: run `make lock`"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("--index-url=https://example.org/simple\n", "names an address"),
        ("other==1 @ file:///tmp/other.whl\n", "names an address"),
        ("other==1\n", "other==1 has no hash"),
    ],
)
def test_an_address_or_a_missing_hash_is_found(lock: locks.Lock, line: str, fault: str) -> None:
    path = locks.ROOT / "some.lock"
    path.write_text(path.read_text() + line)
    assert any(fault in each for each in locks.faults(lock))


ARCHIVE = io.BytesIO()
with zipfile.ZipFile(ARCHIVE, "w") as _zip:
    _zip.writestr("terraform", "#!/bin/sh\n")
CONTENT = ARCHIVE.getvalue()
PLATFORMS = dict.fromkeys(terraform.PUBLISHED, hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A release server on loopback, for a machine without Terraform."""
    monkeypatch.setenv("PATH", str(tmp_path))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if "terraform_" in self.path else 404)
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_missing_terraform_is_downloaded_once(releases: str, tmp_path: Path) -> None:
    path = terraform.find(tmp_path / "tools", PLATFORMS, releases)
    assert Path(path).read_text() == "#!/bin/sh\n"
    assert Path(path).stat().st_mode & 0o111
    assert terraform.find(tmp_path / "tools", PLATFORMS, "http://127.0.0.1:1") == path


def test_an_archive_that_is_not_the_published_one_is_never_used(
    releases: str, tmp_path: Path
) -> None:
    with pytest.raises(terraform.Unavailable, match="not the published one; install Terraform"):
        terraform.find(tmp_path / "tools", terraform.PUBLISHED, releases)
    assert not list((tmp_path / "tools").rglob("*"))


def test_without_network_the_message_says_what_to_install(tmp_path: Path, releases: str) -> None:
    with pytest.raises(terraform.Unavailable, match=r"install Terraform 1\.11 or newer"):
        terraform.find(tmp_path / "tools", PLATFORMS, f"{releases}0")


@pytest.mark.parametrize(
    ("found", "taken"), [("1.10.5", False), ("1.11.0", True), ("1.12.2", True), ("", False)]
)
def test_only_a_new_enough_terraform_is_taken_from_path(
    releases: str, tmp_path: Path, found: str, *, taken: bool
) -> None:
    mine = tmp_path / "terraform"
    mine.write_text(f'#!/bin/sh\necho \'{{"terraform_version": "{found}"}}\'\n')
    mine.chmod(0o755)
    path = terraform.find(tmp_path / "tools", PLATFORMS, releases)
    assert (path == str(mine)) is taken
