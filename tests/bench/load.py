"""Clients that measure a server on loopback: closed loops for its peak, open ones for the rest."""

import http.client
import random
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
    """One keep-alive connection; the standard library's client costs the least here."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._path = parts.path
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=70)

    def post(self, body: bytes) -> int:
        headers = {"Content-Type": "image/jpeg"}
        try:
            self._connection.request("POST", self._path, body, headers)
            answer = self._connection.getresponse()
            answer.read()
        except OSError:
            self._connection.close()
            raise
        return answer.status


def record(outcome: Outcome, client: Client, body: bytes, due: float) -> None:
    try:
        status = client.post(body)
    except (OSError, http.client.HTTPException):
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
