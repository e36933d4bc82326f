"""A connection with a deadline and an allowance, whatever the other side does.

A socket's timeout starts anew with each byte that arrives, so it does not stop a server that sends
one byte a second. Here every read and write is given what is left of the time, and counted.
"""

import io
import socket
from typing import Any

from invoke.deadline import Deadline
from invoke.problems import Problem


class Line:
    """What urllib3 takes for a socket. `allowance` is how many more bytes may arrive."""

    def __init__(
        self, connection: socket.socket, host: str, *, deadline: Deadline, silence: float
    ) -> None:
        self._connection = connection
        self._host = host
        self._deadline = deadline
        self._silence = silence
        self.allowance = 0

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(Reader(self))

    def receive_into(self, buffer: memoryview) -> int:
        if self.allowance <= 0:
            raise Problem(502, f"{self._host} sends more than an answer with a picture can need")
        self._set_timeout()
        try:
            count = self._connection.recv_into(buffer[: self.allowance])
        except TimeoutError:
            raise self.too_slow() from None
        self.allowance -= count
        return count

    def sendall(self, data: bytes) -> None:
        self._set_timeout()
        try:
            self._connection.sendall(data)
        except TimeoutError:
            raise self.too_slow() from None

    def settimeout(self, seconds: float | None) -> None:
        """urllib3 would set one for the whole request; ours is set before each step."""

    def close(self) -> None:
        """http.client hangs up before it has read the body; whoever dialled closes in the end."""

    def _set_timeout(self) -> None:
        left = min(self._deadline.left(), self._silence)
        if left <= 0:
            raise self.too_slow()
        self._connection.settimeout(left)

    def too_slow(self) -> Problem:
        return Problem(504, f"{self._host} did not send the picture in time")


class Reader(io.RawIOBase):
    """The reading side of a line, for buffering."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._line.receive_into(memoryview(buffer))
