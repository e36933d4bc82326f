"""What is fuzzed: the decoder in processes of its own, and a server over HTTP."""

import hashlib
import http.client
import itertools
import multiprocessing
import socket
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import psutil

from tests.fuzz.mutations import mangled, mangled_requests

SLOW = 2.0  # seconds of a processor that no picture of these sizes may take
SHARE = 500  # inputs that a process is given at a time
EXPECTED = {200, 400, 413, 415, 422}


class Found(Exception):
    """A fault, with the input that shows it."""


def inputs(seed: int, number: int) -> list[bytes]:
    """The inputs of one share; each share has a seed of its own."""
    return list(itertools.islice(mangled(seed * 1_000_003 + number), SHARE))


def decode_share(seed: int, number: int) -> tuple[int, float]:
    """Decode a share: how many were pictures still, and the memory of the process after it."""
    from server.errors import RequestError
    from server.pictures import decode

    pictures = 0
    for content in inputs(seed, number):
        began = time.thread_time()
        try:
            square = decode(content, 36, 32)
        except RequestError:
            square = None
        except BaseException as error:
            raise Found(f"{error!r}: {kept(content)}") from error
        if time.thread_time() - began > SLOW:
            raise Found(f"took {time.thread_time() - began:.1f} s: {kept(content)}")
        if square is not None:
            assert square.shape == (32, 32, 3)
            pictures += 1
    return pictures, psutil.Process().memory_info().rss / 2**20


def fuzz_decoder(seed: int, shares: int, processes: int) -> dict[str, float]:
    """Shares in parallel. A process that crashes leaves the number of its share behind."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        tasks = [pool.submit(decode_share, seed, number) for number in range(shares)]
        try:
            results = [task.result() for task in tasks]
        except BrokenProcessPool as error:
            unfinished = [n for n, task in enumerate(tasks) if task.exception()]
            raise Found(f"a decoder crashed in one of the shares {unfinished[:4]}") from error
    memory = [megabytes for _, megabytes in results]
    return {
        "decoded": shares * SHARE,
        "pictures": sum(pictures for pictures, _ in results),
        "decoder_rss_mb": round(max(memory)),
        "decoder_growth_mb": growth(memory),
    }


@dataclass
class Answered:
    statuses: dict[int, int]  # how many of each
    rss_mb: float
    growth_mb: int


def fuzz_server(port: int, pid: int, seed: int, shares: int, clients: int) -> Answered:
    """Shares over keep-alive connections: no answer of 500 or more, none lost, and no growth."""
    process, counted = psutil.Process(pid), Counter[int]()

    def ask(number: int) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for content in inputs(seed, 10**6 + number):
            connection.request("POST", "/invocations", content)
            answer = connection.getresponse()
            answer.read()
            counted[answer.status] += 1
            if answer.status not in EXPECTED:
                raise Found(f"the server answered {answer.status}: {kept(content)}")
        connection.close()
        return float(process.memory_info().rss / 2**20)

    with ThreadPoolExecutor(clients) as pool:
        memory = list(pool.map(ask, range(shares)))
    return Answered(dict(sorted(counted.items())), max(memory), growth(memory))


def fuzz_heads(port: int, seed: int, count: int) -> int:
    """Requests that are hardly requests: refused, left waiting or answered, but never with 5xx."""
    for content in itertools.islice(mangled_requests(seed), count):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1) as client:
            client.sendall(content)
            if client.recv(100).startswith(b"HTTP/1.1 5"):
                raise Found(f"the server failed on {kept(content)}")
    return count


def growth(memory: list[float]) -> int:
    """Megabytes from the second tenth of a run to its last: the first one warms up."""
    tenth = max(1, len(memory) // 10)
    return round(mean(memory[-tenth:]) - mean(memory[tenth : 2 * tenth]))


def kept(content: bytes) -> Path:
    """Where the input is, for whoever looks into the fault."""
    folder = Path("build/fuzz")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(content).hexdigest()[:16]
    path.write_bytes(content)
    return path
