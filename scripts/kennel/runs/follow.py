"""Watch a run until it ends: its log, its epochs as progress, and through lost networks."""

import re
import time
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

from kennel.network import outlasting
from kennel.runs.logs import Line
from kennel.runs.run import Run, Status
from kennel.terminal import bar, duration

POLL = 2.0  # seconds between looks; AWS throttles its describe calls beyond that
EPOCH = re.compile(r"\bevent=epoch\b")


class Watch:
    """Follows one run. What it says goes to stderr: stdout is for the result."""

    def __init__(
        self,
        run: Run,
        console: Console,
        *,
        quiet: bool = False,
        poll: float = POLL,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.run, self.console, self.quiet = run, console, quiet
        self.poll, self.sleep = poll, sleep
        self._told, self._first_epoch = "", (0, 0.0)

    def until_end(self) -> Status:
        while True:
            status = outlasting(self.look, self.note, self.sleep, self.poll)
            if status.ended:
                self.sleep(self.poll)  # CloudWatch has the last lines a moment later
                outlasting(self.show_new, self.note, self.sleep, self.poll)
                return status
            self.sleep(self.poll)

    def look(self) -> Status:
        status = self.run.status()
        self.tell(status)
        self.show_new()
        return status

    def tell(self, status: Status) -> None:
        """A line when the state changes."""
        told = status.detail or status.state
        if told != self._told:
            self._told = told
            self.note(told)

    def note(self, text: str) -> None:
        self.console.print(f"[dim]{time.strftime('%H:%M:%S')}  {escape(text)}[/]")

    def show_new(self) -> None:
        for line in self.run.lines():
            self.show(line)

    def show(self, line: Line) -> None:
        if EPOCH.search(line.text):
            self.console.print(self.progress(line))
        elif not self.quiet:
            text = f"[dim]{escape(line.host)}[/]  {escape(line.text)}"
            self.console.print(text)

    def progress(self, line: Line) -> str:
        """An epoch, how good it was, how fast, and how long the rest will take."""
        values = dict(part.split("=", 1) for part in line.text.split() if "=" in part)
        epoch, epochs = int(values.get("epoch", 0)), int(values.get("epochs", 0))
        if not self._first_epoch[0]:
            self._first_epoch = (epoch, line.at)
        accuracy = float(values.get("valid_accuracy", "0"))
        speed = float(values.get("images_per_second", "0"))
        loss = values.get("train_loss", "?")
        left = self.left(epoch, epochs, line.at)
        return (
            f"  epoch {epoch:>3}/{epochs}  {bar(accuracy)} {accuracy:6.1%} valid  loss {loss}  "
            f"{speed:.0f} images/s{left}"
        )

    def left(self, epoch: int, epochs: int, at: float) -> str:
        first, since = self._first_epoch
        if epoch <= first or epoch >= epochs:
            return ""
        seconds = (at - since) / (epoch - first) * (epochs - epoch)
        return f"  {duration(seconds)} left"
