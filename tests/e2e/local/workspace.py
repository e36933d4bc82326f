"""The command line in the folder of an emulated account, and a notebook that is run there."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest


@dataclass
class Workspace:
    """A folder with an emulated account in it, and the command line there."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    output: str = ""  # of the notebook

    def kennel(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "kennel", *arguments],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str) -> Any:
        return json.loads(self.kennel(*arguments, "--json").stdout)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106
        )

    def serving(self) -> list[int]:
        releases = self.json("models", "list")["releases"]
        return [each["release"] for each in releases if each["serving"]]


def code_of(notebook: Path) -> str:
    cells = json.loads(notebook.read_text())["cells"]
    assert not any(each.get("outputs") for each in cells), "outputs do not belong into the tree"
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def run_alone(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Return its output; the verbs that it has started end with it."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=900)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        pytest.fail(f"the notebook takes too long:\n{output}")
    assert process.returncode == 0, output
    return output
