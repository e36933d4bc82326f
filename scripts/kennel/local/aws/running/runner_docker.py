"""Containers as containers: the images that were built, with SageMaker's walls around them.

A server that is isolated has no network at all; `relay` reaches its port. A training host that is
isolated has none either, or, if there are several, one that leads to the others alone: of that
one, Docker before version 28 leaves open what this machine serves on all of its addresses.
"""

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from kennel.errors import UserError
from kennel.local.aws import repositories
from kennel.local.aws.running import relay
from kennel.local.aws.running.instances import limits
from kennel.local.aws.running.runner import Container, Running
from kennel.local.processes import address, clean_environment, listen

LABEL = "kennel.local"
SECONDS = 120.0  # for an answer of the engine
DOOR = "door/socket"  # under the container's folder
IMAGE = "docker-image"  # under the state: id of the image that wrote last into our folders
MOST_CPUS = os.cpu_count() or 1


class DockerRunner:
    interface = "eth0"

    def __init__(self, state: Path) -> None:
        self._state = state.absolute()
        self._id = sha256(str(self._state).encode()).hexdigest()[:12]
        self._networks: set[str] = set()
        self._lock = threading.Lock()
        self.remove_all()

    def hosts(self, count: int) -> Sequence[str]:
        return sorted(f"algo-{number}" for number in range(1, count + 1))

    def start(self, container: Container) -> Running:
        image = found(container.image, self._state)
        name = f"kennel-{self._id}-{container.name}"
        log = self._state / "logs" / f"{container.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        arguments = [*self._common(container, name), *self._network(container)]
        if container.command == "serve":
            return self._serve(container, name, image, arguments, log)
        arguments += ["--volume", f"{container.root}:/opt/ml"]
        (self._state / IMAGE).write_text(image)
        client = run_in(log, [*arguments, image, "train"])
        return RunningContainer(client, name, log, at_end=lambda: give_back(container.root, image))

    def forget(self, network: str) -> None:
        name = f"kennel-{self._id}-{network}"
        with self._lock:
            if name in self._networks:
                self._networks.discard(name)
                docker("network", "rm", name)

    def remove_all(self) -> None:
        """By label, so that those of a crashed predecessor are among them."""
        mark = ["--filter", f"label={LABEL}={self._id}"]
        if names := docker("ps", "--all", "--quiet", *mark).split():
            docker("rm", "--force", "--volumes", *names)
        if names := docker("network", "ls", "--quiet", *mark).split():
            docker("network", "rm", *names)
        self._networks.clear()
        self._take_back()

    def _take_back(self) -> None:
        """What containers wrote as root, and nobody has given back: not we, and not a crash."""
        if not belongs_to_others(self._state):
            return
        try:
            give_back(self._state, (self._state / IMAGE).read_text())
        except (OSError, UserError) as error:
            why = str(error).splitlines()[0]
            raise UserError(
                f"files in {self._state} belong to root, as the container that wrote them, and "
                f"cannot be had back ({why}): remove them with sudo rm -r {self._state.parent}"
            ) from None

    def _common(self, container: Container, name: str) -> list[str]:
        most = limits(container.instance_type)
        arguments = ["--rm", "--pull=never", "--name", name, "--label", f"{LABEL}={self._id}"]
        arguments += [f"--cpus={min(most.cpus, MOST_CPUS)}", f"--memory={most.memory}"]
        arguments += [f"--memory-swap={most.memory}"]  # no swap beyond the memory
        for key, value in container.environment.items():
            arguments += ["--env", f"{key}={value}"]
        return arguments

    def _network(self, container: Container) -> list[str]:
        named = ["--hostname", container.host] if container.host else []
        if container.network:
            network = self._network_of(container)
            return [*named, "--network", network, "--network-alias", container.host]
        if not container.isolated:
            return named
        itself = ["--add-host", f"{container.host}:127.0.0.1"] if container.host else []
        return [*named, *itself, "--network=none"]

    def _network_of(self, container: Container) -> str:
        name = f"kennel-{self._id}-{container.network}"
        with self._lock:
            if name not in self._networks:
                walls = [
                    "--internal",
                    "--opt",
                    "com.docker.network.bridge.gateway_mode_ipv4=isolated",
                ]
                label = ["--label", f"{LABEL}={self._id}"]
                docker("network", "create", *label, *(walls if container.isolated else []), name)
                self._networks.add(name)
        return name

    def _serve(
        self, container: Container, name: str, image: str, arguments: list[str], log: Path
    ) -> Running:
        arguments += ["--volume", f"{container.root / 'model'}:/opt/ml/model:ro"]
        if not container.isolated:
            client = run_in(log, [*arguments, "--publish=127.0.0.1::8080", image, "serve"])
            where = published(name) if is_up(name, client) else ""
            return RunningContainer(client, name, log, where=where)
        client = run_in(log, [*arguments, image, "serve"])
        listener = listen()
        where = address(listener)
        if is_up(name, client):
            door = relay.through(str(self._open_door(container, name, image)))
            threading.Thread(target=relay.relay, args=(listener, door), daemon=True).start()
        return RunningContainer(
            client, name, log, where=where, at_end=lambda: close_door(listener, name)
        )

    def _open_door(self, container: Container, name: str, image: str) -> Path:
        """Start the relay's inner half in the network of the server, which is empty but for it."""
        door = container.root / DOOR
        door.parent.mkdir(parents=True, exist_ok=True)
        code = Path(relay.__file__).read_text()
        docker(
            *("run", "--detach", "--rm", "--pull=never", "--name", f"{name}-door"),
            *("--label", f"{LABEL}={self._id}", "--network", f"container:{name}"),
            *("--memory=128m", "--volume", f"{door.parent}:/door"),
            *("--entrypoint", "python", image, "-S", "-c", code, f"/door/{door.name}"),
        )
        return door


class RunningContainer:
    """A container whose `docker run` is a child of ours; what it ends with is the exit code."""

    def __init__(
        self,
        client: "subprocess.Popen[bytes]",
        name: str,
        log: Path,
        *,
        where: str = "",
        at_end: Callable[[], None] | None = None,
    ) -> None:
        self.address = where
        self.log = log
        self._client = client
        self._name = name
        self._at_end = at_end
        self._code: int | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    def exit_code(self) -> int | None:
        return self._code

    def terminate(self) -> None:
        with suppress(UserError):  # it may have ended by itself
            docker("kill", "--signal=TERM", self._name)

    def kill(self) -> None:
        with suppress(UserError):
            docker("rm", "--force", self._name)

    def _watch(self) -> None:
        code = self._client.wait()
        try:
            if self._at_end:
                self._at_end()
        except UserError as error:
            with self.log.open("a") as log:
                log.write(f"{error}\n")
        self._code = code


def close_door(listener: socket.socket, name: str) -> None:
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts; closing does not
    listener.close()
    with suppress(UserError):
        docker("rm", "--force", f"{name}-door")


def give_back(folder: Path, image: str) -> None:
    """The files that a container's root has made, to whoever we are."""
    if os.getuid():
        owner = f"{os.getuid()}:{os.getgid()}"
        docker(
            *("run", "--rm", "--pull=never", "--network=none", "--volume", f"{folder}:/opt/ml"),
            *("--entrypoint", "chown", image, "--recursive", owner, "/opt/ml"),
        )


def belongs_to_others(folder: Path) -> bool:
    mine = os.getuid()
    return bool(mine) and any(path.lstat().st_uid != mine for path in folder.rglob("*"))


def found(image: str, state: Path) -> str:
    """The image itself, the one that was pushed so, or whose id the address ends with."""
    pushed = repositories.image_id(state, image)
    for name in filter(None, (image, pushed, image.rpartition("@")[2])):
        with suppress(UserError):
            return docker("image", "inspect", "--format", "{{.Id}}", name).strip()
    raise UserError(
        f"this machine has no image {image}: build it, then give it that name with docker tag"
    )


def run_in(log: Path, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    with log.open("ab") as file:
        return subprocess.Popen(
            ["docker", "run", "--sig-proxy=false", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=settings(),
            start_new_session=True,
        )


def is_up(name: str, client: "subprocess.Popen[bytes]") -> bool:
    """Wait until the container runs, so that others can join its network, or has ended."""
    while client.poll() is None:
        with suppress(UserError):
            if docker("inspect", "--format", "{{.State.Running}}", name).strip() == "true":
                return True
        with suppress(subprocess.TimeoutExpired):
            client.wait(0.05)
    return False


def published(name: str) -> str:
    return f"http://{docker('port', name, '8080').split()[0]}"


def docker(*arguments: str) -> str:
    try:
        run = subprocess.run(
            ["docker", *arguments],
            env=settings(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except FileNotFoundError:
        raise UserError("there is no docker command: install Docker, or use processes") from None
    if run.returncode:
        raise UserError(f"docker {arguments[0]}: {run.stderr.strip()[-500:]}")
    return run.stdout


def settings() -> dict[str, str]:
    """The user's engine, where they have chosen one."""
    chosen = {key: value for key, value in os.environ.items() if key.startswith("DOCKER_")}
    return clean_environment(**chosen)
