"""Programs that must not be killed half-way: they are told to end, and are given time to."""

import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

from rich.console import Console

console = Console(stderr=True, highlight=False, soft_wrap=True)


def run(command: Sequence[str], **settings: Any) -> "subprocess.CompletedProcess[str]":
    """As subprocess.run, which would kill the program at Ctrl-C, and with it Terraform's state.

    It and what it starts have a session of their own, so that the terminal's Ctrl-C comes from us,
    and once: at a second one Terraform ends without order, and so it is here.
    """
    with subprocess.Popen(command, text=True, start_new_session=True, **settings) as process:
        try:
            out, err = process.communicate()
        except KeyboardInterrupt:
            console.print("ending in good order: what Terraform has begun, it finishes ...")
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.communicate()
            except KeyboardInterrupt:
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)
