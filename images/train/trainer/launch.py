"""The processes of one machine: torch's own elastic agent, meeting on loopback."""

import os
import socket
import sys
from datetime import timedelta

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined] # not in its __all__
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous import RendezvousParameters, rendezvous_handler_registry
from torch.distributed.elastic.rendezvous.static_tcp_rendezvous import StaticTCPRendezvous
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from trainer.errors import TrainingError

BACKEND = "kennel-loopback"


class LoopbackRendezvous(StaticTCPRendezvous):
    """Where one machine's processes meet. Torch's own store would listen on every interface."""

    def __init__(self, run: str, timeout: int) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        super().__init__("127.0.0.1", port, rank=0, world_size=1, run_id=run, timeout=timeout)
        self._store = TCPStore(
            "127.0.0.1",
            port,
            is_master=True,
            wait_for_workers=False,
            timeout=timedelta(seconds=timeout),
            multi_tenant=True,
            master_listen_fd=listener.detach(),
        )

    def get_backend(self) -> str:
        return BACKEND


def meet(parameters: RendezvousParameters) -> LoopbackRendezvous:
    return LoopbackRendezvous(parameters.run_id, timeout=60)


def loopback_interface() -> str:
    return next(name for _, name in socket.if_nameindex() if name.startswith("lo"))


def run_workers(processes: int) -> None:
    """Run `trainer.train` in so many processes, restart them once, and wait until they end."""
    rendezvous_handler_registry.register(BACKEND, meet)
    os.environ["GLOO_SOCKET_IFNAME"] = loopback_interface()
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // processes))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id="kennel",
        rdzv_backend=BACKEND,
        max_restarts=0,
        monitor_interval=0.2,
    )
    try:
        elastic_launch(config, sys.executable)("-u", "-m", "trainer.train")
    except ChildFailedError as error:
        rank, process = error.get_first_failure()
        cause = f"exit code {process.exitcode}" if process.exitcode >= 0 else process.signal_name()
        raise TrainingError(f"process {rank} of {processes} ended with {cause}") from error


def worker_count(wanted: int) -> int:
    return wanted or torch.cuda.device_count() or 1
