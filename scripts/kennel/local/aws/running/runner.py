"""What runs where AWS would run a container: a process of this machine, or a Docker container.

Both forms obey the same calls. They end what they started when told to, and what a crashed
predecessor on the same state left behind when they are made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class Container:
    name: str  # unique; also names its log
    image: str  # the API call's image; processes ignore it
    command: Literal["serve", "train"]
    root: Path  # what stands for /opt/ml
    environment: Mapping[str, str] = field(default_factory=dict)
    instance_type: str = "ml.m5.large"  # sets the limits of memory and CPUs
    isolated: bool = True  # no network, but that the server is reached and hosts of a job meet
    host: str = ""  # one of the names that `hosts` gave
    network: str = ""  # containers of one network see each other


class Running(Protocol):
    @property
    def address(self) -> str:
        """http://127.0.0.1:PORT of a server; nothing for a training host."""

    @property
    def log(self) -> Path: ...

    def exit_code(self) -> int | None:
        """None while it runs; 128 and the signal's number if a signal ended it."""

    def terminate(self) -> None:
        """SIGTERM to its first process, which may take its time."""

    def kill(self) -> None:
        """SIGKILL to all of it."""


class Runner(Protocol):
    interface: str  # network interface by which the hosts of a job see each other

    def hosts(self, count: int) -> Sequence[str]:
        """Names for the hosts of a job, sorted as SageMaker does: by letters."""

    def start(self, container: Container) -> Running: ...

    def forget(self, network: str) -> None:
        """Remove the network of a job that has ended."""

    def remove_all(self) -> None:
        """End and remove everything, also what a crash left."""
