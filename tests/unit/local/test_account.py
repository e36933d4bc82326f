"""The account of a folder as `kennel local` handles it; what needs no account running."""

import os
import shutil
import socket
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from kennel.errors import UserError
from kennel.local import terraform
from kennel.local.account import Account, free
from kennel.local.command import local


def test_a_port_that_is_taken_is_replaced_by_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free(port) not in (port, 0)
    assert free(port) == port


def test_two_commands_do_not_change_an_account_at_once(tmp_path: Path) -> None:
    with (
        Account(tmp_path / "local").alone(),
        pytest.raises(UserError, match="wait until it has ended"),
        Account(tmp_path / "local").alone(),
    ):
        pass


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


def test_without_terraform_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KENNEL_TERRAFORM_RELEASES", "http://127.0.0.1:9")
    monkeypatch.delenv("KENNEL_TERRAFORM", raising=False)
    script = "scripts/tools/terraform.py"
    (tmp_path / script).parent.mkdir(parents=True)
    shutil.copy(terraform.ROOT / script, tmp_path / script)
    monkeypatch.setattr(terraform, "ROOT", tmp_path)  # where none was ever downloaded
    with pytest.raises(UserError, match="install Terraform"):
        terraform.find()


def test_clients_are_pointed_at_the_account_and_kept_from_the_users_own() -> None:
    settings = terraform.environment("http://127.0.0.1:1", "eu-west-1")
    assert settings["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert settings["AWS_CONFIG_FILE"] == settings["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def test_the_roots_are_linked_with_one_file_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KENNEL_TERRAFORM", "terraform")
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
