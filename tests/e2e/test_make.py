"""The Makefile: the one door, true about itself."""

import re
import subprocess

import pytest

from tests.conftest import ROOT


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_help_is_the_default_and_lists_every_target_with_a_line() -> None:
    declared = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert declared is not None
    listed = dict(re.findall(r"^  make ([a-z-]+) +(\S.*)$", make().stdout, re.MULTILINE))
    assert list(listed) == declared[1].split()
    assert all(listed.values())


def test_check_passes_and_leaves_the_tree_clean() -> None:
    command = ["git", "status", "--porcelain"]
    before = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    run = make("check")
    assert run.returncode == 0, run.stdout + run.stderr
    after = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert after == before


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("PYTHON=no-such-python", "no-such-python is missing, older than 3.11 or without venv"),
        ("TORCH=gpu", "TORCH is 'gpu'; it can be 'default'"),
    ],
)
def test_an_environment_that_cannot_be_made_says_what_to_do(setting: str, message: str) -> None:
    run = make(setting, "VENV=.venv/no-such-environment", "demo")
    assert run.returncode != 0
    assert message in run.stderr
    assert not (ROOT / ".venv/no-such-environment").exists()
