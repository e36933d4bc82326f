"""Where verbs learn names from: Terraform, or a file in its place."""

import json
import shutil
from pathlib import Path

import pytest

from kennel import outputs
from kennel.errors import UserError


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """terraform/platform of dev and prod, and a Terraform that prints one output."""
    monkeypatch.delenv("KENNEL_OUTPUTS", raising=False)
    folder = tmp_path / "terraform/platform"
    (folder / ".terraform").mkdir(parents=True)
    for env in ("dev", "prod"):
        (folder / f"{env}.tfvars").write_text(f'prefix = "kennel-{env}"\n')
    program = tmp_path / "terraform-program"
    program.write_text(
        "#!/bin/sh\n"
        '[ -e "$0.broken" ] && { echo "Error: state locked" >&2; exit 1; }\n'
        """echo '{"prefix": {"sensitive": false, "type": "string", "value": "kennel-dev"}}'\n"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("KENNEL_TERRAFORM", str(program))
    monkeypatch.setattr(outputs, "TERRAFORM", tmp_path / "terraform")
    return folder


def set_up_for(folder: Path, prefix: str) -> None:
    config = {"key": f"{prefix}/platform.tfstate"}
    content = {"backend": {"type": "s3", "config": config}}
    (folder / ".terraform/terraform.tfstate").write_text(json.dumps(content))


def test_terraforms_outputs_are_read_as_plain_values(stack: Path) -> None:
    set_up_for(stack, "kennel-dev")
    assert outputs.read("platform", "dev")["prefix"] == "kennel-dev"


def test_a_terraform_on_path_that_is_too_old_is_not_asked(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_for(stack, "kennel-dev")
    monkeypatch.delenv("KENNEL_TERRAFORM")
    old = tmp_path / "bin/terraform"
    old.parent.mkdir()
    old.write_text("""#!/bin/sh\necho '{"terraform_version": "1.5.7"}'\n""")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent))
    (tmp_path / "scripts/tools").mkdir(parents=True)
    shutil.copy(outputs.ROOT / "scripts/tools/terraform.py", tmp_path / "scripts/tools")
    monkeypatch.setattr(outputs, "ROOT", tmp_path)  # where none was ever downloaded
    monkeypatch.setenv("KENNEL_TERRAFORM_RELEASES", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=rf"^{old} is older than 1.11(?s:.*)install Terraform"):
        outputs.read("platform", "dev")


def test_the_names_of_one_environment_are_never_read_for_another(stack: Path) -> None:
    set_up_for(stack, "kennel-dev")
    with pytest.raises(UserError, match=r"is set up for kennel-dev/.*, not for prod .*ENV=prod"):
        outputs.read("platform", "prod")


@pytest.mark.usefixtures("stack")
def test_what_was_never_planned_here_or_is_unknown_is_told() -> None:
    with pytest.raises(UserError, match="run `make plan STACK=platform ENV=dev`"):
        outputs.read("platform", "dev")
    with pytest.raises(UserError, match=r"there is no .*stage\.tfvars"):
        outputs.read("platform", "stage")


def test_terraforms_own_words_are_passed_on(stack: Path, tmp_path: Path) -> None:
    set_up_for(stack, "kennel-dev")
    (tmp_path / "terraform-program.broken").touch()
    with pytest.raises(UserError, match="Error: state locked"):
        outputs.read("platform", "dev")


def test_a_file_stands_in_for_terraform_in_both_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "outputs.json"
    monkeypatch.setenv("KENNEL_OUTPUTS", str(file))
    described = {"region": {"value": "eu-west-1", "sensitive": False, "type": "string"}}
    plain = {"region": "eu-west-1", "fleet": {"value": 1, "other": 2}}
    file.write_text(json.dumps({"platform": described, "service": plain}))
    assert outputs.read("platform").region == outputs.read("service").region == "eu-west-1"
    assert outputs.read("service")["fleet"] == {"value": 1, "other": 2}
    with pytest.raises(UserError, match=r"lack endpoint_name.*STACK=service"):
        _ = outputs.read("service")["endpoint_name"]


@pytest.mark.parametrize("content", ["not JSON", "[]", '{"platform": []}'])
def test_a_file_of_another_form_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "outputs.json").write_text(content)
    monkeypatch.setenv("KENNEL_OUTPUTS", str(tmp_path / "outputs.json"))
    with pytest.raises(UserError, match="must be a JSON object"):
        outputs.read("platform")


def test_an_emulated_account_answers_for_amazons_address_of_the_api(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/live/v1/predict"
    (tmp_path / "outputs.json").write_text(json.dumps({"service": {"predict_url": url}}))
    monkeypatch.setenv("KENNEL_OUTPUTS", str(tmp_path / "outputs.json"))
    assert outputs.read("service")["predict_url"] == url
    monkeypatch.setenv("AWS_ENDPOINT_URL_EXECUTE_API", "http://127.0.0.1:5")
    there = "http://127.0.0.1:5/restapis/a1b2c3/live/_user_request_/v1/predict"
    assert outputs.read("service")["predict_url"] == there
    (tmp_path / "outputs.json").write_text(json.dumps({"service": {"predict_url": there}}))
    assert outputs.read("service")["predict_url"] == there
