"""Two nodes of the fleet, killed in the middle of a run, and the run that goes on from S3.

The boot script, `aws s3` and the trainer are the real ones; S3 is moto's. Stand-ins: metadata,
logs, minutes (seconds here), and docker, which starts the trainer of this tree as the image would.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.conftest import ROOT, SMALL, free_port
from tests.terraform.test_fleet import VALUES, rendered

ADDRESSES = ("127.0.0.1", "127.0.0.2")
CURL = """#!/bin/bash
case "$*" in
  */instance-id) echo i-1 ;;
  */local-ipv4) echo "$ADDRESS" ;;
  */ami-launch-index) echo 0 ;;
  */reservation-id) echo "$RUN" ;;
  */spot/instance-action) exit 22 ;;
  *) echo token ;;
esac
"""
DOCKER = """#!/bin/bash
[ "$1" != login ] || exec cat > /dev/null
[ "$1" = run ] || exit 0
while [ "$1" != @IMAGE ]; do
  if [ "$1" = --env ]; then export "${2?}"; shift; fi
  shift
done
shift
export PYTHONPATH=@TRAINER KENNEL_INTERFACE=lo KENNEL_ML_ROOT="$ML" OMP_NUM_THREADS=1
exec @PYTHON -m trainer "$@"
"""
SLEEP = "#!/bin/bash\nexec /bin/sleep $(($1 > 9 ? 4 : 1))\n"  # for a minute
AWS = """#!/bin/bash
case "$1" in
  ecr | logs) ;;
  *) exec @AWS "$@" ;;
esac
"""
END = '#!/bin/bash\necho "$*" >> "$ML.ends"\n'


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    client = boto3.client("s3", region_name=VALUES["region"])
    place = {"LocationConstraint": VALUES["region"]}
    for bucket in ("kennel-data", "kennel-models"):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    try:
        yield client
    finally:
        client.close()
        server.stop()


Node = subprocess.Popen[str]
Boot = Callable[[str, str], Node]


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Boot]:
    """A factory of nodes: the boot script with a machine's folder and tools of its own."""
    tools = tmp_path / "bin"
    tools.mkdir()
    docker = DOCKER.replace("@IMAGE", VALUES["image"]).replace("@PYTHON", sys.executable)
    docker = docker.replace("@TRAINER", str(ROOT / "images/train"))
    bodies = {"curl": CURL, "docker": docker, "sleep": SLEEP, "shutdown": END}
    bodies["aws"] = AWS.replace("@AWS", str(Path(sys.executable).with_name("aws")))
    for name, body in bodies.items():
        tools.joinpath(name).write_text(body)
        tools.joinpath(name).chmod(0o755)
    port = str(free_port())
    started: list[Node] = []

    def start(run: str, address: str) -> Node:
        machine = tmp_path / f"{run}-{address}"
        script = rendered().replace("/opt/ml", str(machine)).replace("=29400", f"={port}")
        given = {"ADDRESS": address, "ML": str(machine), "RUN": run}
        with Path(f"{machine}.log").open("w") as log:
            node = subprocess.Popen(
                ["bash", "-c", script],
                env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"} | given,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        started.append(node)
        return node

    yield start
    for node in started:
        kill(node)


def kill(node: Node) -> None:
    """What happens to a machine that is taken away: everything on it ends at once."""
    with suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGKILL)
    node.wait()


def whole_ones(names: list[str]) -> list[str]:
    """Of checkpoints that are on their way, those whose two files have both arrived."""
    heads = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    return [name for name in heads if f"{name}.safetensors" in names]


def keys(s3: Any, prefix: str) -> list[str]:
    found = s3.list_objects_v2(Bucket="kennel-models", Prefix=prefix).get("Contents", [])
    return [each["Key"] for each in found]


@pytest.mark.long
def test_a_killed_run_goes_on_from_s3(s3: Any, boot: Boot, pictures: Path, tmp_path: Path) -> None:
    for path in filter(Path.is_file, pictures.rglob("*")):
        s3.upload_file(str(path), "kennel-data", f"dogs/{path.relative_to(pictures)}")
    settings = SMALL | {"processes": "1", "epochs": "16", "save_steps": "4"}
    for run in ("r-1", "r-2"):
        key = f"fleet/{run}/hyperparameters.json"
        s3.put_object(Bucket="kennel-models", Key=key, Body=json.dumps(settings))

    first = [boot("r-1", address) for address in ADDRESSES]
    deadline = time.monotonic() + 300
    while not whole_ones(keys(s3, "fleet/r-1/checkpoints/")):
        assert time.monotonic() < deadline, tmp_path.joinpath("r-1-127.0.0.1.log").read_text()
        assert first[0].poll() is None, "the run ended before its first checkpoint was in S3"
        time.sleep(0.2)
    for node in first:
        kill(node)
    assert "fleet/r-1/model.tar.gz" not in keys(s3, "fleet/r-1/")

    # `kennel train --resume r-1` copies what the first run has left.
    for key in keys(s3, "fleet/r-1/checkpoints/"):
        source = {"Bucket": "kennel-models", "Key": key}
        s3.copy_object(Bucket="kennel-models", Key=key.replace("r-1", "r-2"), CopySource=source)
    second = [boot("r-2", address) for address in ADDRESSES]
    for node, address in zip(second, ADDRESSES, strict=True):
        log = tmp_path / f"r-2-{address}.log"
        assert node.wait(300) == 0, log.read_text()
        assert "event=resumed" in log.read_text() or address != ADDRESSES[0]
        assert tmp_path.joinpath(f"r-2-{address}.ends").read_text().splitlines()[-1] == "-h now"
    left = keys(s3, "fleet/r-2/")
    assert "fleet/r-2/model.tar.gz" in left
    assert "fleet/r-2/output/0/data/report.html" in left
