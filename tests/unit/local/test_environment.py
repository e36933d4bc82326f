"""An execution environment whose process ends at once."""

import asyncio
import os

import psutil
import pytest

from kennel.local.environment import Environment, Unready


def test_a_process_that_ended_before_anybody_looked_at_it_has_left_its_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a busy machine, where its first line is an error."""

    def gone(pid: int) -> None:
        raise psutil.NoSuchProcess(pid)

    async def load() -> None:
        environment = await Environment.start("nowhere.handle", os.environ, megabytes=128)
        await environment.loaded(60)

    monkeypatch.setattr(psutil, "Process", gone)
    with pytest.raises(Unready, match="No module named 'nowhere'"):
        asyncio.run(load())
