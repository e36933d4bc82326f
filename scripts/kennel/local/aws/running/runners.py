"""The runner of a name; each is imported only where it is wanted."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kennel.local.aws.running.runner import Runner


def runner_of(kind: str, state: Path) -> "Runner":
    if kind == "docker":
        from kennel.local.aws.running.runner_docker import DockerRunner  # noqa: PLC0415 - only then

        return DockerRunner(state)
    from kennel.local.aws.running.runner_processes import ProcessRunner  # noqa: PLC0415 - only then

    return ProcessRunner(state)
