"""The training image, run as SageMaker runs it: its folders, its command, no network."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import SMALL
from tests.e2e.images.engine import ask, exit_code

pytestmark = pytest.mark.long


def test_training_and_serving_in_containers_without_network(
    docker: str,
    train_image: str,
    serve_image: str,
    container: str,
    pictures: Path,
    tmp_path: Path,
) -> None:
    """`docker run IMAGE train`, then `docker run IMAGE serve` on what came out of it."""
    ml = tmp_path / "ml"
    (ml / "input/config").mkdir(parents=True)
    (ml / "input/config/hyperparameters.json").write_text(
        json.dumps(SMALL | {"epochs": "1", "quantise": "true"})
    )
    shutil.copytree(pictures, ml / "input/data/training")
    run = subprocess.run(
        [
            docker,
            "run",
            "--rm",
            "--network=none",
            "--volume",
            f"{ml}:/opt/ml",
            train_image,
            "train",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "event=artifact" in run.stdout

    command = [docker, "run", "--detach", "--network=none", "--read-only", "--name", container]
    command += ["--volume", f"{ml / 'model'}:/opt/ml/model:ro", serve_image, "serve"]
    subprocess.run(command, check=True, capture_output=True)
    assert ask(docker, container, "/ping") == (200, "")
    picture = min(pictures.glob("test/*/*"))
    status, answer = ask(docker, container, "/invocations", picture)
    assert status == 200
    assert json.loads(answer)["model"]["name"] == "small"

    subprocess.run([docker, "stop", "--time=120", container], check=True, capture_output=True)
    assert exit_code(docker, container) == 0, "SIGTERM did not reach the server"


def test_the_training_image_holds_no_build_tools(docker: str, train_image: str) -> None:
    tools = ["pip", "pip3", "uv", "ninja", "gcc", "cc", "make"]
    code = (
        "import importlib.util as u, shutil\n"
        f"print([tool for tool in {tools} if shutil.which(tool)], u.find_spec('triton'))"
    )
    command = [docker, "run", "--rm", "--network=none", "--entrypoint=python", train_image]
    run = subprocess.run([*command, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] None"


def test_no_process_of_a_training_compiles_what_it_imports(docker: str, train_image: str) -> None:
    """It would take each of them 9 s: the image holds the bytecode."""
    command = [docker, "run", "--rm", "--network=none", "--entrypoint=python", train_image]
    code = "import nncf, trainer.__main__, trainer.launch"
    run = subprocess.run([*command, "-v", "-c", code], capture_output=True, text=True, check=True)
    # A line may have another thread's line in it before it ends.
    read = re.findall(r"# code object from '([^']*)'", run.stderr)
    assert len(read) > 1000
    assert [name for name in read if not name.endswith(".pyc")] == []


def test_a_job_without_data_fails_with_its_reason(
    docker: str, train_image: str, tmp_path: Path
) -> None:
    (tmp_path / "input/data/training").mkdir(parents=True)
    command = [docker, "run", "--rm", "--network=none", "--volume", f"{tmp_path}:/opt/ml"]
    run = subprocess.run(
        [*command, train_image, "train"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "lacks the folder train" in (tmp_path / "output/failure").read_text()
