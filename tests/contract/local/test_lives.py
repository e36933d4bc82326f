"""Accounts of `kennel local`: beside each other, and after their control process was killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from kennel.local.account import Account
from kennel.local.aws.running.runner_processes import STATE, marked
from kennel.local.command import local
from kennel.local.processes import listen
from kennel.local.up import client
from tests.contract.local.conftest import Aws
from tests.contract.local.releases import Releases
from tests.contract.local.test_endpoint_options import SLOW
from tests.contract.local.workload import program, wait_until


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    found = Account(tmp_path / "local")
    yield found
    found.remove()


def up(account: Account, port: int = 0) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "kennel", "local", "--home", str(account.home)]
    options = ["up", "--bare", "--port", str(port), "--speed", "60"]
    return subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def start(account: Account) -> dict[str, Any]:
    assert up(account).wait(300) == 0
    running = account.running()
    assert running is not None
    return running


def servers(account: Account) -> list[psutil.Process]:
    return list(marked({STATE: str(account.state)}))


def kill(account: Account) -> None:
    running = account.running()
    assert running is not None
    os.kill(running["pid"], signal.SIGKILL)
    wait_until(lambda: account.running() is None)


def test_a_killed_account_is_brought_back_or_ended(account: Account, tmp_path: Path) -> None:
    aws = Aws(start(account)["address"], account.state, None)  # type: ignore[arg-type]
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights").touch()
    Releases(aws, tmp_path / "model").endpoint("one", **program(tmp_path, SLOW, "server"))
    kill(account)
    assert len(servers(account)) == 1
    status = CliRunner().invoke(local, ["--home", str(account.home), "status"])
    assert (status.exit_code, status.output) == (0, "not running\n")

    # Started again, it has ended the server of before and started its own.
    [old] = servers(account)
    running = start(account)
    sagemaker = client("sagemaker", running["address"], running["region"])
    wait_until(lambda: in_service(sagemaker, "one"))
    assert not old.is_running() or old.status() == psutil.STATUS_ZOMBIE
    assert len(servers(account)) == 1

    kill(account)
    done = CliRunner().invoke(local, ["--home", str(account.home), "down", "--keep"])
    assert (done.exit_code, servers(account)) == (0, [])
    assert CliRunner().invoke(local, ["--home", str(account.home), "down"]).exit_code == 0
    assert not account.home.exists()


def test_two_accounts_that_start_at_once_do_not_take_the_same_port(
    account: Account, tmp_path: Path
) -> None:
    other = Account(tmp_path / "other")
    with listen() as listener:
        port = listener.getsockname()[1]
    try:
        starting = [up(each, port) for each in (account, other)]
        assert [each.wait(300) for each in starting] == [0, 0], other.log.read_text()
        running = [each.running() for each in (account, other)]
        assert len({each["address"] for each in running if each}) == 2
    finally:
        other.remove()


def in_service(sagemaker: Any, name: str) -> bool:
    found = sagemaker.describe_endpoint(EndpointName=name)
    return str(found["EndpointStatus"]) == "InService"
