"""The fleet's boot script, run as a node would run it, with stand-ins for what it calls."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.terraform.conftest import TERRAFORM

TEMPLATE = TERRAFORM / "modules/fleet/user_data.sh.tftpl"
VALUES = {
    "data_uri": "s3://kennel-data/dogs",
    "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kennel/train@sha256:2c26",
    "log_group": "/kennel/kennel-test/fleet",
    "max_minutes": "360",
    "nodes": "2",
    "output_uri": "s3://kennel-models/fleet",
    "port": "29400",
    "region": "eu-west-1",
    "registry": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    "run_arguments": "--gpus all",
}
# Each writes its call down; what it prints or how it ends is up to the test.
STAND_IN = '#!/bin/bash\necho "$(basename "$0") $*" >> "$CALLS"\n'
CURL = """case "$*" in
  */instance-id) echo i-1 ;;
  */local-ipv4) echo "$ADDRESS" ;;
  */ami-launch-index) echo 0 ;;
  */reservation-id) echo r-1 ;;
  */spot/instance-action) exit "${NO_NOTICE:-22}" ;;
  */tags/instance) printf 'Name\nkennel:run\n'; for each in $WISHES; do echo "${each%%=*}"; done ;;
  */tags/instance/*) for each in $WISHES; do
    case "$*" in */"${each%%=*}") echo "${each#*=}" ;; esac; done ;;
  *) echo token ;;
esac
"""
AWS = """case "$*" in
  "s3 cp - "*"/failure "*) cat >> "$CALLS.failure" ;;
  "s3 cp - "*) cat > /dev/null ;;
  "s3 ls "*) for each in $HOSTS; do echo "2026-11-21 11:00:00 4 $each"; done ;;
  "s3 sync s3://kennel-data/"*) exit "${SYNC_STATUS:-0}" ;;
  "ecr "*) echo password ;;
esac
"""
# The trainer runs until it is stopped, where the test wants that.
DOCKER = """case "$1" in
  login) cat > /dev/null ;;
  pull) [ -z "$PULL_SAYS" ] || { echo "$PULL_SAYS" >&2; exit 1; } ;;
  stop) touch "$CALLS.stopped" ;;
  run)
    while [ "$TRAINS" = on ] && [ ! -e "$CALLS.stopped" ]; do /bin/sleep 0.1; done
    exit "${TRAINER_STATUS:-0}" ;;
esac
"""
SLEEP = "exec /bin/sleep ${SLEEP:-0.2}\n"  # for minutes


def rendered() -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: VALUES[found[1]], TEMPLATE.read_text())


def boot(folder: Path, **settings: str) -> tuple[int, list[str]]:
    """How the script ends, and what it calls."""
    tools = folder / "bin"
    tools.mkdir()
    bodies = {"aws": AWS, "curl": CURL, "docker": DOCKER, "sleep": SLEEP}
    bodies |= {"shutdown": "", "mkdir": ""}
    for name, body in bodies.items():
        tools.joinpath(name).write_text(STAND_IN + body)
        tools.joinpath(name).chmod(0o755)
    calls = folder / "calls"
    env = {"PATH": f"{tools}:{os.environ['PATH']}", "CALLS": str(calls), "TRAINS": ""}
    env |= {"PULL_SAYS": "", "WISHES": ""}
    env |= {"ADDRESS": "10.20.0.7", "HOSTS": "10.20.0.9 10.20.0.7"}
    done = subprocess.run(
        ["bash", "-c", rendered()],
        env=env | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, calls.read_text().splitlines()


def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    tmp_path.joinpath("user_data.sh").write_text(rendered())
    notebook = TERRAFORM / "modules/notebook/on_start.sh.tftpl"
    tmp_path.joinpath("on_start.sh").write_text(
        notebook.read_text().replace("${idle_minutes}", "60")
    )
    for name in ("user_data.sh", "on_start.sh"):
        command = ["shellcheck", "--shell", "bash", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_deadline_is_set_before_anything_else(tmp_path: Path) -> None:
    _, calls = boot(tmp_path)
    assert calls[0].startswith("shutdown -h +360")


def test_the_first_node_in_order_keeps_the_model(tmp_path: Path) -> None:
    status, calls = boot(tmp_path)
    assert status == 0
    said = "\n".join(calls)
    assert "aws s3 cp - s3://kennel-models/fleet/r-1/hosts/10.20.0.7" in said
    assert "--env KENNEL_HOSTS=10.20.0.7,10.20.0.9 --env KENNEL_HOST_RANK=0" in said
    assert "--env KENNEL_PORT=29400 --env KENNEL_JOB=r-1" in said
    assert f"{VALUES['image']} train" in said
    assert "aws s3 cp /opt/ml/model.tar.gz s3://kennel-models/fleet/r-1/model.tar.gz" in said
    assert calls[-1] == "shutdown -h now"


def test_a_run_may_ask_for_other_data_another_image_and_less_time(tmp_path: Path) -> None:
    image = VALUES["image"].replace("2c26", "9f86")
    wishes = {
        "data": "s3://kennel-data/cats/",
        "image": image,
        "minutes": "30",
        "nodes": "1",
        "pretrained": "s3://kennel-data/weights/resnet50.safetensors",
    }
    given = " ".join(f"kennel:{name}={value}" for name, value in wishes.items())
    status, calls = boot(tmp_path, WISHES=given, HOSTS="10.20.0.7")
    assert status == 0
    said = "\n".join(calls)
    assert calls[0].startswith("shutdown -h +360"), "Terraform's deadline, before anything is asked"
    assert [call for call in calls if "+30 the run's time" in call]
    assert "aws s3 sync s3://kennel-data/cats/ /opt/ml/input/data/training" in said
    assert f"aws s3 cp {wishes['pretrained']} /opt/ml/input/data/pretrained/" in said
    assert f"docker pull --quiet {image}" in said
    assert f"{image} train" in said
    assert f"{image} package" in said
    assert VALUES["image"] not in said


def test_a_run_cannot_ask_for_more_time_than_terraform_gives(tmp_path: Path) -> None:
    status, calls = boot(tmp_path, WISHES="kennel:minutes=9000")
    assert status == 0
    deadlines = [call for call in calls if call.startswith("shutdown -h +")]
    assert [call.split()[2] for call in deadlines] == ["+360"]


def test_an_image_that_cannot_be_pulled_is_the_reason_that_is_left(tmp_path: Path) -> None:
    status, calls = boot(tmp_path, PULL_SAYS="manifest unknown: not found")
    assert status == 1
    run = "s3://kennel-models/fleet/r-1"
    assert [call for call in calls if f"aws s3 cp - {run}/output/boot-0/failure" in call]
    said = (tmp_path / "calls.failure").read_text()
    assert (
        said == f"i-1: the image {VALUES['image']} cannot be pulled: manifest unknown: not found\n"
    )
    assert calls[-1] == "shutdown -h now"


def test_another_node_joins_the_first_and_keeps_only_its_own(tmp_path: Path) -> None:
    status, calls = boot(tmp_path, ADDRESS="10.20.0.9")
    assert status == 0
    said = "\n".join(calls)
    assert "--env KENNEL_HOSTS=10.20.0.7,10.20.0.9 --env KENNEL_HOST_RANK=1" in said
    assert "model.tar.gz" not in said
    assert "aws s3 sync /opt/ml/checkpoints" not in said
    assert "s3://kennel-models/fleet/r-1/output/1" in said


def test_the_order_is_of_letters_as_torch_has_it(tmp_path: Path) -> None:
    _, calls = boot(tmp_path, HOSTS="10.20.0.7 10.20.0.10")
    assert "KENNEL_HOSTS=10.20.0.10,10.20.0.7 --env KENNEL_HOST_RANK=1" in "\n".join(calls)


def test_a_node_without_the_others_does_not_train(tmp_path: Path) -> None:
    status, calls = boot(tmp_path, HOSTS="10.20.0.7", SLEEP="0")
    assert status == 1
    assert calls[-1] == "shutdown -h now"
    assert not [call for call in calls if call.startswith("docker run")]
    assert (tmp_path / "calls.failure").read_text() == "i-1: only 1 of 2 nodes have come\n"


def test_a_node_that_is_taken_back_saves_first_and_lets_ec2_end_it(tmp_path: Path) -> None:
    status, calls = boot(tmp_path, TRAINS="on", NO_NOTICE="0", TRAINER_STATUS="143")
    assert status == 143
    stopped = calls.index("docker stop --time 60 trainer")
    rest = "\n".join(calls[stopped:])
    assert "aws s3 sync /opt/ml/checkpoints" in rest
    assert rest.index("sync /opt/ml/checkpoints") < rest.index("sleep 150")
    assert calls[-1] == "shutdown -h now"


@pytest.mark.parametrize("fault", ["TRAINER_STATUS", "SYNC_STATUS"])
def test_a_node_ends_when_something_fails(tmp_path: Path, fault: str) -> None:
    status, calls = boot(tmp_path, **{fault: "3"})
    assert status == 3
    assert calls[-1] == "shutdown -h now"
    assert not [call for call in calls if "model.tar.gz" in call]


def test_a_failed_trainer_leaves_its_report(tmp_path: Path) -> None:
    _, calls = boot(tmp_path, TRAINER_STATUS="1")
    assert [call for call in calls if "s3 sync /opt/ml/output" in call]


def test_a_run_takes_its_settings_and_checkpoints_from_where_kennel_train_left_them(
    tmp_path: Path,
) -> None:
    _, calls = boot(tmp_path)
    said = "\n".join(calls)
    run = "s3://kennel-models/fleet/r-1"
    settings = f"aws s3 cp {run}/hyperparameters.json /opt/ml/input/config/hyperparameters.json"
    restored = f"aws s3 sync {run}/checkpoints /opt/ml/checkpoints"
    kept = f"aws s3 sync /opt/ml/checkpoints {run}/checkpoints"
    places = [said.index(each) for each in (settings, restored, "docker run", kept)]
    assert places == sorted(places)
