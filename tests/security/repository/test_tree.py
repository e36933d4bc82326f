"""What may never stand in the repository, wherever it is written."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

# Written apart, so that this file does not find itself.
HOSTS = ("py" + r"pi\.org", "pythonhos" + "ted", "npm" + r"js\.org", "deb.deb" + "ian")
PATHS = ("/ro" + "ot/", "/wo" + "rk/", "/Us" + "ers/", "/ho" + r"me/\w")
SECRETS = r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY"
UNSAFE = (
    r"\bpickle\b|torch\.load\(|(?<![\w.])(eval|exec)\(|trust_remote_code|shell=True|allow_pickle"
)


def tracked() -> list[Path]:
    """Every file that git has or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines() if (ROOT / name).is_file()]


def found(pattern: str, files: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in files
        for match in re.finditer(pattern, path.read_text(errors="replace"))
    ]


@pytest.mark.parametrize(
    "pattern", ["|".join(HOSTS), "|".join(PATHS), SECRETS], ids=["hosts", "paths", "keys"]
)
def test_no_registry_host_no_path_of_a_machine_and_no_secret(pattern: str) -> None:
    assert found(pattern, tracked()) == []


def test_our_code_never_runs_code_out_of_data() -> None:
    ours = [
        path
        for path in tracked()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] != "tests"
    ]
    assert len(ours) > 20
    assert found(UNSAFE, ours) == []
