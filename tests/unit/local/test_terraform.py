"""How `kennel local` runs Terraform; a script takes its place."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kennel.errors import UserError
from kennel.local.terraform import Stack

# Fails when another one initialises at the same time, and when somebody has made it fail.
TERRAFORM = """#!/bin/sh -e
[ "$1" = output ] && echo '{}' && exit
[ "$1" = init ] || exit 0
mkdir -p .terraform
[ ! -e "$0.broken" ]
mkdir "$0.busy"
sleep 0.1
rmdir "$0.busy"
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "terraform"
    script.write_text(TERRAFORM)
    script.chmod(0o755)
    monkeypatch.setenv("KENNEL_TERRAFORM", str(script))
    return script


def apply(folder: Path) -> object:
    return Stack(folder, "http://127.0.0.1:1", "eu-west-1", folder / "log").apply("platform", {})


@pytest.mark.usefixtures("script")
def test_accounts_side_by_side_fill_the_cache_of_providers_one_by_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(apply, [tmp_path / "one", tmp_path / "other"])) == [{}, {}]


def test_an_init_that_failed_is_done_again(script: Path, tmp_path: Path) -> None:
    broken = script.with_suffix(".broken")
    broken.touch()
    with pytest.raises(UserError, match="terraform init of platform failed"):
        apply(tmp_path / "one")
    broken.unlink()
    apply(tmp_path / "one")
    apply(tmp_path / "one")
    assert (tmp_path / "one/log").read_text().count("$ terraform init") == 2
