"""The processes of one machine: torch's own elastic agent, which starts them and starts them
again. The processes of a single machine meet on loopback, those of several at the first host.

This process imports all that a worker does, so that a worker, which is a fork of it, begins at
once: to import torch and torchvision takes 6 s of a processor.
"""

import logging
import os
import signal
import socket
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined] # not in its __all__
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.elastic.rendezvous import (
    RendezvousError,
    RendezvousInfo,
    RendezvousParameters,
    rendezvous_handler_registry,
)
from torch.distributed.elastic.rendezvous.static_tcp_rendezvous import StaticTCPRendezvous
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from trainer import failure, hosts, train, worker, world  # noqa: F401 - train is for the forks
from trainer.config import Config
from trainer.errors import TrainingError
from trainer.places import Place, wait_for_names

BACKEND = "kennel-loopback"
GRACE = 55  # seconds from SIGTERM to SIGKILL, for the checkpoint; SageMaker gives 120
MEETING = 900  # seconds that hosts wait for each other
AGENT = logging.getLogger("torch.distributed.elastic.multiprocessing.api")


class LoopbackRendezvous(StaticTCPRendezvous):
    """Where one machine's processes meet. Torch's own store would listen on every interface.

    Each start has a store of its own. In that of a start before, a process may find the address of
    one that is dead, before the living has put its own there; gloo waits for the dead for minutes.
    """

    def next_rendezvous(self) -> RendezvousInfo:
        listener = socket.create_server((self.master_addr, 0))
        self.master_port = listener.getsockname()[1]
        self._store = TCPStore(
            self.master_addr,
            self.master_port,
            is_master=True,
            wait_for_workers=False,
            timeout=self.timeout,
            multi_tenant=True,
            master_listen_fd=listener.detach(),
        )
        return super().next_rendezvous()

    def get_backend(self) -> str:
        return BACKEND


def meet(parameters: RendezvousParameters) -> LoopbackRendezvous:
    return LoopbackRendezvous("127.0.0.1", 0, 0, 1, run_id=parameters.run_id, timeout=60)


def loopback_interface() -> str:
    return next(name for _, name in socket.if_nameindex() if name.startswith("lo"))


def without_traceback(record: logging.LogRecord) -> bool:
    """Drop the traceback of torch's agent; the worker has logged its own."""
    record.exc_info = None
    return True


def run_workers(config: Config, place: Place) -> bool:
    """Run `worker.start` in as many processes as there are to be, and wait until they end.

    False: SIGTERM, here or on another host, has ended it before its time.
    """
    processes = worker_count(config.processes)
    interface = loopback_interface() if place.alone else place.interface
    if interface:
        os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = interface
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    AGENT.addFilter(without_traceback)
    with tempfile.TemporaryDirectory(prefix="kennel-run-") as folder:
        os.environ[failure.RUN] = folder
        try:
            elastic_launch(agent_of(config, place, processes), worker.start)()
        except ChildFailedError as error:
            why = hosts.lost(place, reason(error, processes, Path(folder)))
            tried = f" (started again {config.restarts} times)" if config.restarts else ""
            raise TrainingError(why + tried) from error
        except RendezvousError as error:
            raise TrainingError(hosts.why_apart(place, error)) from error
        except SignalException as error:
            if error.sigval != signal.SIGTERM:
                raise KeyboardInterrupt from error
            return False
        return not Path(folder, "stopped").exists()


def agent_of(config: Config, place: Place, processes: int) -> LaunchConfig:
    common: dict[str, Any] = {
        "min_nodes": len(place.hosts),
        "max_nodes": len(place.hosts),
        "nproc_per_node": processes,
        "run_id": place.job,
        "max_restarts": config.restarts,
        "monitor_interval": 0.2,
        "shutdown_timeout": GRACE,
        "start_method": start_method(),
    }
    if place.alone:
        rendezvous_handler_registry.register(BACKEND, meet)
        return LaunchConfig(**common, rdzv_backend=BACKEND)
    wait_for_names(place.hosts)
    # Torch's shared store says where it is in the first round only: a host that comes back after
    # its death would ask for that in a later one and never hear it.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    os.environ[world.HOST] = place.hosts[place.index]
    rendezvous_handler_registry.register(hosts.BACKEND, hosts.meet)
    meeting = {"is_host": place.index == 0, "join_timeout": MEETING, "read_timeout": MEETING}
    return LaunchConfig(
        **common,
        rdzv_backend=hosts.BACKEND,
        rdzv_endpoint=f"{place.hosts[0]}:{place.port}",
        rdzv_configs=meeting,
        local_addr=place.hosts[place.index],
    )


def start_method() -> str:
    """Return how processes are started: CUDA cannot be used after a fork."""
    return "spawn" if torch.cuda.device_count() else "fork"


def reason(error: ChildFailedError, processes: int, folder: Path) -> str:
    """Who was killed; else what the first to fail has said."""
    killed = [each for each in error.failures.items() if is_killed(each[1])]
    rank, process = killed[0] if killed else error.get_first_failure()
    said = failure.reasons(folder)
    if said and not killed:
        return said[0]
    cause = f"exit code {process.exitcode}" if process.exitcode >= 0 else process.signal_name()
    return f"process {rank} of {processes} ended with {cause}"


def is_killed(process: ProcessFailure) -> bool:
    """By others: nccl aborts its own process where a peer is lost, which says who it was."""
    return process.exitcode < 0 and -process.exitcode not in {signal.SIGTERM, signal.SIGABRT}


def worker_count(wanted: int) -> int:
    gpus = torch.cuda.device_count()
    if gpus and wanted > gpus:
        raise TrainingError(
            f"hyperparameter processes is {wanted}, but this machine has {gpus} GPUs, one for each "
            "process: lower it, or set it to 0 for as many as there are"
        )
    return wanted or gpus or 1
