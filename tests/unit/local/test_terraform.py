"""How `kennel local` runs Terraform; a script takes its place."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kennel.local.terraform import Stack

# Fails when another one initialises at the same time.
TERRAFORM = """#!/bin/sh -e
[ "$1" = output ] && echo '{}' && exit
[ "$1" = init ] || exit 0
mkdir BUSY
sleep 0.3
rmdir BUSY
mkdir .terraform
"""


def test_accounts_side_by_side_fill_the_cache_of_providers_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "terraform"
    script.write_text(TERRAFORM.replace("BUSY", str(tmp_path / "busy")))
    script.chmod(0o755)
    monkeypatch.setenv("KENNEL_TERRAFORM", str(script))

    def apply(name: str) -> object:
        folder = tmp_path / name
        return Stack(folder, "http://127.0.0.1:1", "eu-west-1", tmp_path / "log").apply(
            "platform", {}
        )

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(apply, ["one", "other"])) == [{}, {}]
