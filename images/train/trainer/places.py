"""Where a run takes place: alone, as one of SageMaker's hosts, or as one of a fleet's."""

import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import TrainingError

PORT = 29400  # where the hosts of a run meet; only their own network should reach it
NAMES_WITHIN = 900.0  # seconds in which the names of all hosts must have become known


@dataclass(frozen=True)
class Place:
    hosts: tuple[str, ...] = ("localhost",)
    index: int = 0
    interface: str = ""  # network interface to the other hosts; empty: what the system chooses
    port: int = PORT
    job: str = "kennel"

    @property
    def alone(self) -> bool:
        return len(self.hosts) == 1


def find(resources: Path, variables: Mapping[str, str]) -> Place:
    """A fleet says where we are in variables, SageMaker in a file; without both we are alone."""
    if "KENNEL_HOSTS" in variables:
        return from_variables(variables)
    if resources.exists():
        return from_sagemaker(resources, variables)
    return Place()


def from_variables(variables: Mapping[str, str]) -> Place:
    hosts = tuple(name.strip() for name in variables["KENNEL_HOSTS"].split(",") if name.strip())
    if not hosts or len(set(hosts)) < len(hosts):
        raise TrainingError("KENNEL_HOSTS must list the hosts of the run, each once: 10.0.0.1,...")
    return Place(
        hosts=hosts,
        index=number(variables, "KENNEL_HOST_RANK", 0 if len(hosts) == 1 else None, len(hosts) - 1),
        interface=variables.get("KENNEL_INTERFACE", ""),
        port=number(variables, "KENNEL_PORT", PORT, 65_535),
        job=variables.get("KENNEL_JOB", "kennel"),
    )


def number(variables: Mapping[str, str], name: str, default: int | None, most: int) -> int:
    text = variables.get(name, "" if default is None else str(default))
    if not text.isdecimal() or int(text) > most:
        raise TrainingError(f"{name} is {text!r}: it can be 0 to {most}")
    return int(text)


def from_sagemaker(resources: Path, variables: Mapping[str, str]) -> Place:
    try:
        content = json.loads(resources.read_text())
        # By name, not by number: algo-10 comes before algo-2, on all hosts alike.
        hosts = tuple(sorted(content["hosts"]))
        return Place(
            hosts=hosts,
            index=hosts.index(content["current_host"]),
            interface=content.get("network_interface_name", ""),
            job=variables.get("TRAINING_JOB_NAME", "kennel"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{resources} does not say which hosts there are (hosts, current_host): {error}"
        ) from error


def wait_for_names(
    hosts: tuple[str, ...],
    resolve: Callable[[str], object] = socket.gethostbyname,
    sleep: Callable[[float], None] = time.sleep,
    within: float = NAMES_WITHIN,
) -> None:
    """Until every host's name is known: SageMaker starts us before that."""
    waited, pause = 0.0, 0.1
    for host in hosts:
        while True:
            try:
                resolve(host)
                break
            except OSError as error:
                if waited >= within:
                    raise TrainingError(
                        f"the name of host {host} is unknown after {waited:.0f} s ({error}): "
                        "check that it was started and that this network knows its name"
                    ) from error
            sleep(pause)
            waited, pause = waited + pause, min(30.0, 2 * pause)
