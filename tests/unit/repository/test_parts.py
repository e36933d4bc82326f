"""The parts meet in contracts, not in imports: each could be taken out and replaced."""

import ast
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PARTS = {
    "kennel": ROOT / "scripts/kennel",
    "trainer": ROOT / "images/train/trainer",
    "server": ROOT / "images/serve/server",
    "invoke": ROOT / "functions/invoke",
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("part", PARTS)
def test_no_part_imports_another(part: str) -> None:
    files = list(PARTS[part].rglob("*.py"))
    assert files
    for path in files:
        assert not imported(path) & (PARTS.keys() - {part}), path


def test_the_function_needs_only_what_the_lambda_runtime_has() -> None:
    allowed = {"invoke", "boto3", "botocore", "urllib3"}
    for path in PARTS["invoke"].rglob("*.py"):
        outside = {name for name in imported(path) if name not in sys.stdlib_module_names}
        assert outside <= allowed, path
