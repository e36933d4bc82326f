"""`kennel images build` on the repository itself: what the image tests build, under its name."""

import json
import subprocess
import sys

from tests.conftest import ROOT


def test_the_serving_image_is_one_plain_image_of_the_right_stage(docker: str) -> None:
    command = [sys.executable, "-m", "kennel", "images", "build", "serve", "--json"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    image = json.loads(run.stdout)["images"][0]["image"]
    try:
        question = [docker, "image", "inspect", image]
        found = json.loads(subprocess.run(question, capture_output=True, check=True).stdout)[0]
    finally:
        subprocess.run([docker, "rmi", image], capture_output=True, check=False)
    assert found["Architecture"] == "amd64"
    assert found["Config"]["Entrypoint"] == ["python", "-m", "server"]
    assert len(found["Config"]["Labels"]["org.opencontainers.image.revision"]) == 40
    assert found["Size"] < 800e6, "the stage for GPUs was built"
