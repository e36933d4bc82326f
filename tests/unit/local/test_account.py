"""The account of a folder as `kennel local` handles it; what needs no account running."""

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kennel import outputs
from kennel.errors import UserError
from kennel.local import terraform
from kennel.local.account import Account, listener
from kennel.local.command import local


def test_a_port_that_is_taken_is_replaced_by_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with listener(port) as other:
            assert other.getsockname()[1] not in (port, 0)
    with listener(port) as same:
        assert same.getsockname()[1] == port


def test_two_commands_do_not_change_an_account_at_once(tmp_path: Path) -> None:
    with (
        Account(tmp_path / "local").alone(),
        pytest.raises(UserError, match="wait until it has ended"),
        Account(tmp_path / "local").alone(),
    ):
        pass


def test_accounts_are_held_each_by_itself_whatever_their_names(tmp_path: Path) -> None:
    first, second = Account(tmp_path / "x.1"), Account(tmp_path / "x.2")
    with first.alone(), second.alone():
        assert CliRunner().invoke(local, ["--home", str(tmp_path / "x.3"), "down"]).exit_code == 0
        assert first.lock.exists()
        assert second.lock.exists()


def test_a_stale_control_file_is_not_taken_for_a_running_account(tmp_path: Path) -> None:
    account = Account(tmp_path / "local")
    account.state.mkdir(parents=True)
    (account.state / "control.json").write_text(f'{{"address": "x", "pid": {os.getpid()}}}')
    assert account.running() is None


def test_removing_takes_read_only_folders_too_and_twice_is_no_error(tmp_path: Path) -> None:
    account = Account(tmp_path / "local")
    model = account.state / "instances/one/model"
    model.mkdir(parents=True)
    (model / "manifest.json").touch()
    model.chmod(stat.S_IRUSR | stat.S_IXUSR)
    account.remove()
    assert not account.home.exists()
    account.remove()


def test_a_file_that_stays_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(tmp_path / "local")
    left = account.state / "jobs/one/output/model"
    left.mkdir(parents=True)
    (left / "weights").touch()
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # root's, and we are not root
    done = CliRunner().invoke(local, ["--home", str(account.home), "down"])
    assert isinstance(done.exception, UserError)
    assert f"{left}/weights cannot be deleted" in str(done.exception)
    assert f"sudo rm -r {account.home}" in str(done.exception)


def test_what_was_wished_holds_until_something_else_is(tmp_path: Path) -> None:
    account = Account(tmp_path / "local")
    assert account.wished(classes=None, model=None, values=None) == {}
    account.wished(classes=None, model="a.tar.gz", values={"environment": {"A": "b"}})
    kept = {"model": "a.tar.gz", "values": {"environment": {"A": "b"}}}
    assert account.wished(classes=None, model=None, values=None) == kept
    assert account.wished(classes=2, model=None, values={}) == {"classes": 2, "values": {}}


def test_without_an_account_env_says_how_to_start_one(tmp_path: Path) -> None:
    done = CliRunner().invoke(local, ["--home", str(tmp_path / "local"), "env"])
    assert isinstance(done.exception, UserError)
    assert "kennel local up" in str(done.exception)


@pytest.mark.parametrize("bare", [True, False])
def test_env_chooses_the_accounts_own_stack_only_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, bare: bool
) -> None:
    """In a bare account the stacks are those that are applied to it from terraform/."""
    running = {"address": "http://127.0.0.1:1", "api": "http://127.0.0.1:2", "region": "eu-west-1"}
    monkeypatch.setattr(Account, "running", lambda _: running)
    if not bare:
        (tmp_path / "outputs.json").touch()
    said = CliRunner().invoke(local, ["--home", str(tmp_path), "env"]).stdout
    assert "export AWS_ENDPOINT_URL_EXECUTE_API=http://127.0.0.1:2\n" in said
    assert ("export KENNEL_ENV=local\n" in said) != bare
    assert ("KENNEL_ENV" in said.splitlines()[-1]) == bare


def test_logs_of_no_such_name_are_an_error_and_others_are_not_shown(tmp_path: Path) -> None:
    account = Account(tmp_path / "local")
    folder = account.state / "logs"
    folder.mkdir(parents=True)
    (folder / "one-live.log").write_text("".join(f"{number}\n" for number in range(50)))
    account.log.write_text("control\n")
    said = CliRunner().invoke(local, ["--home", str(account.home), "logs", "live", "--lines", "2"])
    assert said.stdout == f"==> {folder}/one-live.log <==\n48\n49\n"
    done = CliRunner().invoke(local, ["--home", str(account.home), "logs", "nobody"])
    assert isinstance(done.exception, UserError)
    assert f"{account.home} holds no such log" in str(done.exception)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Terraform, where none was ever downloaded; its PATH is this folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("KENNEL_TERRAFORM_RELEASES", "http://127.0.0.1:9")
    monkeypatch.delenv("KENNEL_TERRAFORM", raising=False)
    script = "scripts/tools/terraform.py"
    (tmp_path / script).parent.mkdir(parents=True)
    shutil.copy(outputs.ROOT / script, tmp_path / script)
    monkeypatch.setattr(outputs, "ROOT", tmp_path)
    return folder


def put_terraform(folder: Path, version: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "terraform"
    program.write_text(f"""#!/bin/sh\necho '{{"terraform_version": "{version}"}}'\n""")
    program.chmod(0o755)
    return str(program)


@pytest.mark.usefixtures("machine")
def test_without_terraform_the_error_says_what_to_install() -> None:
    with pytest.raises(UserError, match="install Terraform"):
        outputs.terraform()


def test_a_terraform_that_is_too_old_is_not_taken(machine: Path, tmp_path: Path) -> None:
    old = put_terraform(machine, "1.5.7")
    with pytest.raises(UserError, match=rf"^{old} is older than 1.11(?s:.*)install Terraform 1.11"):
        outputs.terraform()
    fetched = put_terraform(tmp_path / ".tools/terraform-1.11.4", "1.11.4")
    assert outputs.terraform() == fetched
    new = put_terraform(machine, "1.12.0")
    assert outputs.terraform() == new


@pytest.mark.usefixtures("machine")
def test_one_that_was_chosen_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENNEL_TERRAFORM", "/nowhere/terraform")
    with pytest.raises(UserError, match="KENNEL_TERRAFORM names /nowhere/terraform"):
        outputs.terraform()


def up(home: Path, *options: str, **environment: str) -> Result:
    return CliRunner().invoke(local, ["--home", str(home), "up", *options], env=environment)


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be started."""
    monkeypatch.setattr(subprocess, "Popen", None)


def test_what_terraform_lacks_is_told_before_anything_is_started(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_terraform(machine, "1.5.7")
    started: list[object] = []
    monkeypatch.setattr(Account, "start", lambda *_, **__: started.append(1))
    done = up(tmp_path / "local")
    assert isinstance(done.exception, UserError)
    assert "install Terraform" in str(done.exception)
    assert not started
    assert not (tmp_path / "local").exists()


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize(
    ("options", "text", "told"),
    [
        (["--values", "FILE"], "prefix = 3", "FILE is no JSON: Expecting value: line 1"),
        (["--values", "FILE"], "[1]", """FILE is no JSON object: write {"variable": value}"""),
        (["--values", "FILE"], "\udcff", "FILE is no JSON: 'utf-8' codec"),
        (["--port", "70000"], "", "70000 is not in the range 0<=x<=65535"),
        (["--speed", "0"], "", "0.0 is not in the range 0<x"),
        (["--speed", "-1"], "", "-1.0 is not in the range 0<x"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(
    tmp_path: Path, options: list[str], text: str, told: str
) -> None:
    file = tmp_path / "values.json"
    file.write_text(text, errors="surrogateescape")
    done = up(tmp_path / "local", *(each.replace("FILE", str(file)) for each in options))
    assert done.exit_code == 2
    assert f"'{options[0]}': {told.replace('FILE', str(file))}" in done.output
    assert not (tmp_path / "local").exists()


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--runner", "docker"], "has --runner processes, not docker: leave --runner out"),
        (["--speed", "1"], "has --speed 60.0, not 1.0"),
        (["--port", "4567"], "has --port 40000, not 4567"),
    ],
)
def test_what_an_account_was_not_started_with_is_refused(
    tmp_path: Path, options: list[str], told: str
) -> None:
    home = tmp_path / "local"
    home.mkdir()
    settled = {"port": 40000, "runner": "processes", "speed": 60.0, "asked": 4566}
    (home / "settings.json").write_text(json.dumps(settled))
    for more in (["--bare"], []):
        done = up(home, *options, "--classes", "7", *more)
        assert isinstance(done.exception, UserError)
        assert told in str(done.exception)
        assert "`kennel local down`" in str(done.exception)
    assert not (home / "wishes.json").exists()


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ([], {}),
        (["--port", "40000", "--runner", "processes", "--speed", "60"], {}),
        (["--port", "4566"], {}),  # which was taken at the first start
        ([], {"KENNEL_LOCAL_PORT": "0", "KENNEL_LOCAL_SPEED": "60"}),
    ],
)
def test_what_it_was_started_with_may_be_said_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    environment: dict[str, str],
) -> None:
    home = tmp_path / "local"
    home.mkdir()
    settled = {"port": 40000, "runner": "processes", "speed": 60.0, "asked": 4566}
    (home / "settings.json").write_text(json.dumps(settled))
    running = {"address": "http://127.0.0.1:40000"}
    monkeypatch.setattr(Account, "running", lambda _: running)
    done = up(home, "--bare", *options, **environment)
    assert done.exit_code == 0, done.output


def test_a_first_start_that_fails_settles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a machine without Docker would have to remove, with Docker, what never was."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    account = Account(tmp_path / "local")
    with pytest.raises(UserError, match="does not start"):
        account.start(runner="docker", port=0)
    assert account.runner == ""
    account.check(runner="processes")


def test_clients_are_pointed_at_the_account_and_kept_from_the_users_own() -> None:
    settings = terraform.environment("http://127.0.0.1:1", "eu-west-1")
    assert settings["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert settings["AWS_CONFIG_FILE"] == settings["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def test_the_roots_are_linked_with_one_file_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KENNEL_TERRAFORM", sys.executable)  # which nobody starts
    terraform.Stack(tmp_path, "http://127.0.0.1:1", "eu-west-1", tmp_path / "log")
    for root in ("platform", "service"):
        place = tmp_path / "terraform" / root
        ours = [path.name for path in place.iterdir() if not path.is_symlink()]
        assert ours == ["local_override.tf"]
        source = terraform.ROOT / "terraform" / root
        linked = {path.name for path in place.glob("*.tf") if path.is_symlink()}
        assert linked == {path.name for path in source.glob("*.tf")} - {"local_override.tf"}
        assert (place / "main.tf").resolve() == source / "main.tf"
        assert (place / "../modules/endpoint/main.tf").resolve().exists()
        assert (place / "../../functions/invoke/openapi.yaml").resolve().exists()
