"""All processes of a run, and the few things they do together."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from trainer.errors import TrainingError

Result = TypeVar("Result")
# To connect, once all are started; gloo takes five times as long before it gives up a connection.
CONNECTING = timedelta(seconds=90)
# A peer that dies is noticed at once. These are for one that hangs, or whose network is gone: no
# process is behind the others for so long, but for the first one, which makes the result alone.
PATIENCE = timedelta(minutes=30)
RESULT = timedelta(days=1)
HOST = "KENNEL_HOST"  # the variable in which a launcher tells its processes where they are


@dataclass(frozen=True)
class World:
    rank: int
    size: int
    local_rank: int
    local_size: int
    node: int
    host: str = "localhost"

    @classmethod
    def join(cls) -> Self:
        """Meet the others where torchrun's variables say; a world of one needs none of them."""
        with_gpu = torch.cuda.is_available()
        variables = {name: int(os.environ.get(name, "0")) for name in ("LOCAL_RANK", "GROUP_RANK")}
        if with_gpu:
            torch.cuda.set_device(variables["LOCAL_RANK"])
        dist.init_process_group("cpu:gloo,cuda:nccl" if with_gpu else "gloo", timeout=CONNECTING)
        dist.set_timeout(PATIENCE)
        return cls(
            rank=dist.get_rank(),
            size=dist.get_world_size(),
            local_rank=variables["LOCAL_RANK"],
            local_size=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
            node=variables["GROUP_RANK"],
            host=os.environ.get(HOST) or socket.gethostname(),
        )

    @property
    def device(self) -> torch.device:
        if torch.cuda.is_available():
            return torch.device("cuda", self.local_rank)
        return torch.device("cpu")

    def sum(self, *values: float) -> list[float]:
        """Each value summed over all processes; a point where they wait for each other."""
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        return total.tolist()

    def gather(self, value: Any) -> list[Any]:
        """What each process says, in the order of ranks; as JSON, which holds no code."""
        said = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(lengths, torch.tensor([len(said)]))
        padded = torch.zeros(int(max(lengths)), dtype=torch.uint8)
        padded[: len(said)] = said
        heard = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(heard, padded)
        return [
            json.loads(bytes(text[: int(length)].numpy()))
            for text, length in zip(heard, lengths, strict=True)
        ]

    def together(self, action: Callable[[], Result]) -> Result:
        """Do it in every process. What one cannot do, none goes on without: all raise its error."""
        result, fault = None, None
        try:
            result = action()
        except TrainingError as error:
            fault = str(error)
        faults = [each for each in self.gather(fault) if each]
        if faults:
            raise TrainingError(faults[0])
        return result  # type: ignore[return-value]

    def in_turn(self, action: Callable[[], Result]) -> Result:
        """The same, first by one process of each machine: the others find what it has fetched."""
        leads = self.local_rank == 0
        first = self.together(action if leads else lambda: None)
        rest = self.together(action if not leads else lambda: None)
        return first if leads else rest  # type: ignore[return-value]

    def spread(self, tensors: dict[str, Tensor], source: int) -> None:
        """Give every process the values that `source` has; in a fixed order of names."""
        for name in sorted(tensors):
            dist.broadcast(tensors[name], source)

    def wait(self, most: timedelta) -> None:
        """How long the others may make one wait from now on."""
        dist.set_timeout(most)

    def leave(self) -> None:
        dist.destroy_process_group()


class Ballot:
    """A vote of all processes at each step, heard one step later, so that nobody waits for it.

    A signal reaches the processes of a run at different steps, or only those of one machine. The
    highest wish counts, and all act on it after the same step.
    """

    GO, SAVE, STOP = range(3)

    def __init__(self) -> None:
        self.pending: tuple[Any, Tensor] | None = None

    def cast(self, wish: int) -> int:
        heard = self.close()
        vote = torch.tensor([wish])
        self.pending = (dist.all_reduce(vote, dist.ReduceOp.MAX, async_op=True), vote)
        return heard

    def close(self) -> int:
        """Hear the last vote out: what is still on its way would meet other messages."""
        before, self.pending = self.pending, None
        if before is None:
            return self.GO
        before[0].wait()
        return int(before[1])


class Interruption:
    """SIGTERM: noted while there is something to save, else the end at once."""

    CODE = 128 + signal.SIGTERM

    def __init__(self) -> None:
        self.wanted = False
        self.noting = False
        signal.signal(signal.SIGTERM, self.note)

    @contextmanager
    def noted(self) -> Iterator[None]:
        self.noting = True
        yield
        self.noting = False

    def note(self, *_: object) -> None:
        self.wanted = True
        if not self.noting:
            os._exit(self.CODE)

    def pass_on(self) -> None:
        """To the launcher, where another host was told: it would wait 300 s for that host's one."""
        several = int(os.environ.get("GROUP_WORLD_SIZE", "1")) > 1
        if several and os.environ["LOCAL_RANK"] == "0" and not self.wanted:
            os.kill(os.getppid(), signal.SIGTERM)
