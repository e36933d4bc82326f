"""Terraform applied to the service root with a release: the one way a release goes live.

The release goes into terraform/service/ENV.release.json, and terraform/stack.py plans and
applies, with all its guards. The environment `local` is the account of `kennel local`. What
serves is asked of SageMaker: that file says what was wanted on this machine, not what became of it.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console

from kennel import aws, children
from kennel.errors import Failed, UserError
from kennel.outputs import TERRAFORM, Outputs, terraform
from kennel.places import ROOT
from kennel.progress import STILL, step
from kennel.registry import no_such
from kennel.remedies import OF_CODE
from kennel.terminal import duration

FUNCTION_ZIP = ROOT / "build/invoke.zip"
MOVING = {"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"}
PATIENCE = 3600.0  # seconds: as long as an update may take, unless terraform/ is told otherwise
POLL = 5.0
console = Console(stderr=True, highlight=False, soft_wrap=True)


def values_of(image: str, model_data: str, platform: Outputs) -> dict[str, Any]:
    """A release, the key that its artifact is encrypted with, and what it may classify in bulk."""
    key, data = platform["kms_key_arn"], platform["bucket_names"]["data"]
    return {"image": image, "model_data": model_data, "kms_key_arn": key, "data_bucket": data}


def values_file(env: str) -> Path:
    return TERRAFORM / "service" / f"{env}.release.json"


def apply(env: str, values: Mapping[str, Any]) -> None:
    """Make the service what the values say; Failed if Terraform, or SageMaker, would not."""
    if env == "local":
        from kennel.local import release  # noqa: PLC0415 - only there

        home = local_home()
        try:
            with step("terraform apply of service for local"):
                release.apply(home, values)
        except Failed as error:
            check_lock(str(error), home / "tree/terraform/service")
            raise Failed(f"{error}{remedy(str(error))}") from error
        return
    if not FUNCTION_ZIP.exists():
        script = str(ROOT / "scripts/tools/function_zip.py")
        subprocess.run([sys.executable, script, str(FUNCTION_ZIP)], check=True, stdout=sys.stderr)
    replace(values_file(env), values)
    for verb in ("plan", "apply"):
        run(verb, env)


def run(verb: str, env: str) -> None:
    command = [sys.executable, str(TERRAFORM / "stack.py"), verb, "service", env]
    settings = os.environ | {"KENNEL_TERRAFORM": terraform()}
    # Its story goes to stderr: stdout is for the result.
    with step(f"terraform {verb} of service for {env}"), overheard() as (stderr, said):
        done = children.run(command, env=settings, stdout=sys.stderr, stderr=stderr)
    if done.returncode:
        check_lock("".join(said), TERRAFORM / "service")
        raise Failed(
            f"`terraform {verb}` of service for {env} failed; its words are above"
            f"{remedy(''.join(said))}"
        )


@contextmanager
def overheard() -> Iterator[tuple[int, list[str]]]:
    """A way to stderr for another program, and the lines that went along it."""
    reader, writer = os.pipe()
    said: list[str] = []

    def pass_on() -> None:
        with os.fdopen(reader, errors="replace") as lines:
            for line in lines:
                said.append(line)
                sys.stderr.write(line)
                sys.stderr.flush()

    listener = Thread(target=pass_on)
    listener.start()
    try:
        yield writer, said
    finally:
        os.close(writer)
        listener.join()


def check_lock(said: str, folder: Path) -> None:
    """A state that is locked has not been changed: nothing has to go back, and nothing could."""
    if "Error acquiring the state lock" not in said:
        return
    lock = dict(re.findall(r"^\W*(ID|Who|Created):\s+(.+?)\s*$", said, re.MULTILINE))
    number = lock.get("ID", "LOCK-ID")
    raise UserError(
        f"Terraform's state is locked (lock {number}, by {lock.get('Who', 'somebody')}, since "
        f"{lock.get('Created', 'an unknown time')}), and nothing was changed: wait until that "
        "Terraform has ended, then run the command again; if it was killed, free the lock with "
        f"`terraform -chdir={folder} force-unlock {number}`"
    )


def remedy(said: str) -> str:
    """What to do about the first error of AWS in Terraform's words, to be added to a message."""
    found = re.search(rf"\b({'|'.join(OF_CODE)})\b", said)
    return f": {found[1]}: {OF_CODE[found[1]]}" if found else ""


def current(platform: Outputs) -> dict[str, str]:
    """The image and the model that the endpoint runs; empty where none is there to run any."""
    found = endpoint(platform)
    if found.get("EndpointStatus", "Failed") in ("Creating", "Failed", "Deleting"):
        return {}
    sagemaker = aws.client("sagemaker", platform.region)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    container = model["PrimaryContainer"]
    return {"image": container["Image"], "model_data": container["ModelDataUrl"]}


def settle(
    platform: Outputs,
    *,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until the endpoint has come to rest: before that SageMaker refuses another release."""
    began, told, said = clock(), "", clock()
    deadline = began + patience
    while (status := endpoint(platform).get("EndpointStatus", "")) in MOVING:
        if clock() > deadline:
            raise UserError(
                f"endpoint {platform['prefix']} is still {status} after {patience / 60:.0f} "
                "minutes: see its page in the console, and deploy when it is InService"
            )
        if status != told:
            console.print(f"the endpoint is {status}: waiting until it is in service ...")
            told, said = status, clock()
        elif clock() - said >= STILL:
            console.print(f"the endpoint is still {status} after {duration(clock() - began)}")
            said = clock()
        sleep(POLL)


def endpoint(platform: Outputs) -> dict[str, Any]:
    """The service's endpoint, as SageMaker describes it; empty if there is none."""
    sagemaker = aws.client("sagemaker", platform.region)
    try:
        return dict(sagemaker.describe_endpoint(EndpointName=platform["prefix"]))
    except ClientError as error:
        if no_such(error):
            return {}
        raise


def local_home() -> Path:
    file = os.environ.get("KENNEL_OUTPUTS")
    if not file:
        raise UserError('the local account is not chosen: eval "$(kennel local env)"')
    return Path(file).parent


def replace(path: Path, content: Mapping[str, Any]) -> None:
    """The file is the old one or the new one, never half of it."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(dict(content), indent=2) + "\n")
    new.replace(path)
