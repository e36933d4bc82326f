"""A world of one process, in the process of the tests."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from trainer.world import World


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator["World"]:
    import torch.distributed as dist

    from trainer.world import World

    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield World(rank=0, size=1, local_rank=0, local_size=1, node=0)
    dist.destroy_process_group()
