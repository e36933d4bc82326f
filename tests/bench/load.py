"""Clients that measure a server on loopback: closed loops for its peak, open ones for the rest."""

import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Outcome:
    """Seconds from the moment a request was due to its answer, by whether it was served."""

    seconds: float  # that the measurement took
    served: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    lost: int = 0  # without any answer

    @property
    def rate(self) -> float:
        return len(self.served) / self.seconds

    @property
    def p50_ms(self) -> float:
        return self.percentile_ms(0.5)

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.served) or [float("inf")]
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


class Client:
    """One keep-alive connection that costs next to nothing: it shares the server's processors."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname or "", parts.port or 80
        self._head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
        )
        self._socket: socket.socket | None = None

    def post(self, body: bytes) -> int:
        """The status of the answer, which has a Content-Length, as those of all servers here."""
        if not self._socket:
            self._socket = socket.create_connection(self._address, timeout=70)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall((self._head % len(body)).encode() + body)
            received = self._some()
            while b"\r\n\r\n" not in received:
                received += self._some()
            head, _, rest = received.partition(b"\r\n\r\n")
            fields = head.lower()
            length = int(fields.partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0])
            while len(rest) < length:
                rest += self._some()
        except (OSError, ValueError):
            self.close()
            raise
        if b"\r\nconnection: close" in fields:
            self.close()
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None

    def _some(self) -> bytes:
        assert self._socket
        content = self._socket.recv(65536)
        if not content:
            raise ConnectionResetError("the server closed the connection before it answered")
        return content


def record(outcome: Outcome, client: Client, body: bytes, due: float) -> None:
    try:
        status = client.post(body)
    except (OSError, ValueError):
        outcome.lost += 1
        return
    (outcome.served if status == 200 else outcome.refused).append(time.perf_counter() - due)


def closed_loop(url: str, bodies: list[bytes], clients: int, seconds: float) -> Outcome:
    """So many clients, each sending its next request when the last is answered."""
    outcome = Outcome(seconds)
    began = time.perf_counter()

    def work(number: int) -> None:
        client, turn = Client(url), number
        while (now := time.perf_counter()) < began + seconds:
            record(outcome, client, bodies[turn % len(bodies)], now)
            turn += clients

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(work, range(clients)))
    outcome.seconds = time.perf_counter() - began
    return outcome


def open_loop(url: str, bodies: list[bytes], rate: float, seconds: float) -> Outcome:
    """Requests at random moments, so many a second on average, whatever becomes of the others."""
    outcome = Outcome(seconds)
    draws = random.Random(1)  # noqa: S311 - arrival times
    local = threading.local()

    def send(body: bytes, due: float) -> None:
        if not hasattr(local, "client"):
            local.client = Client(url)
        record(outcome, local.client, body, due)

    began = due = time.perf_counter()
    with ThreadPoolExecutor(256) as pool:
        while due < began + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            pool.submit(send, bodies[int(due * 1e6) % len(bodies)], due)
            due += draws.expovariate(rate)
    outcome.seconds = time.perf_counter() - began
    return outcome
