"""The zip that Terraform deploys: the same bytes for the same source, and all that is needed."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import function_zip

from tests.conftest import ROOT
from tests.contract.function.conftest import CREDENTIALS


def test_the_same_source_makes_the_same_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "functions"
    shutil.copytree(ROOT / "functions", copy)
    for number, path in enumerate(sorted(copy.rglob("*"), reverse=True)):
        os.utime(path, (number * 10**7, number * 10**7))
        path.chmod(0o700)
    (copy / "invoke/__pycache__").mkdir(exist_ok=True)
    (copy / "invoke/__pycache__/x.cpython-312.pyc").write_bytes(b"compiled")
    function_zip.write(tmp_path / "one.zip")
    function_zip.write(tmp_path / "two.zip", copy)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_changed_source_makes_other_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "functions"
    shutil.copytree(ROOT / "functions", copy)
    with (copy / "invoke/urls.py").open("a") as file:
        file.write("#")
    function_zip.write(tmp_path / "one.zip")
    function_zip.write(tmp_path / "two.zip", copy)
    assert (tmp_path / "one.zip").read_bytes() != (tmp_path / "two.zip").read_bytes()


def test_it_is_small_and_readable_by_all(tmp_path: Path) -> None:
    function_zip.write(tmp_path / "function.zip")
    assert (tmp_path / "function.zip").stat().st_size < 60 * 1024
    for entry in zipfile.ZipFile(tmp_path / "function.zip").infolist():
        assert entry.external_attr >> 16 == 0o100644, entry


def test_the_handler_is_found_in_it(tmp_path: Path) -> None:
    function_zip.write(tmp_path / "function.zip")
    code = "from invoke.handler import handle; print(handle.__class__.__name__)"
    environment = {"PYTHONPATH": str(tmp_path / "function.zip"), "KENNEL_ENDPOINT": "dogs"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=CREDENTIALS | environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (run.stdout, run.stderr) == ("Application\n", "")


def test_a_missing_setting_is_named_as_the_function_starts(tmp_path: Path) -> None:
    environment = CREDENTIALS | {"PYTHONPATH": str(ROOT / "functions")}
    command = [sys.executable, "-c", "import invoke.handler"]
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert run.stderr.endswith("SettingsError: KENNEL_ENDPOINT is not set, and has no default\n")
