"""Throw mangled pictures at the decoder and at a running server; the last line is JSON.

    make fuzz                                 100,000 at the decoder, 20,000 over HTTP
    make fuzz ARGS='--thousands 1000 --seed 7'

A fault ends the run with exit code 1 and leaves its input in build/fuzz.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from kennel import sample
from tests.bench.chain import make_model
from tests.conftest import free_port, wait_for
from tests.fuzz.targets import Found, fuzz_decoder, fuzz_heads, fuzz_server


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--thousands", type=int, default=100, help="of inputs for the decoder")
    parser.add_argument("--http", type=int, default=20, help="thousands of inputs over HTTP")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began, cores = time.monotonic(), os.cpu_count() or 1
    try:
        figures: dict[str, object] = dict(fuzz_decoder(options.seed, 2 * options.thousands, cores))
        print(json.dumps(figures), flush=True)
        if options.http:
            figures |= over_http(options.seed, 2 * options.http)
    except Found as found:
        print(f"seed {options.seed}: {found}", file=sys.stderr)
        return 1
    print(json.dumps({"seed": options.seed, **figures, "seconds": round(time.monotonic() - began)}))
    return 0


def over_http(seed: int, shares: int) -> dict[str, object]:
    """Against a server of its own, with the smallest of models: it is not the network's turn."""
    port, root = free_port(), Path(tempfile.mkdtemp())
    with ExitStack() as end:
        end.callback(shutil.rmtree, root)
        counts = {"train": 4, "valid": 1, "test": 1}
        list(sample.make_set(root / "pictures", classes=3, counts=counts, seed=1))
        small = {"architecture": "shufflenet_v2_x0_5", "size": "32", "resize": "36"}
        make_model(root, root / "pictures", **small)
        settings = {"KENNEL_ML_ROOT": str(root), "SAGEMAKER_BIND_TO_PORT": str(port)}
        command = [sys.executable, "-m", "server", "serve"]
        log = end.enter_context((root / "log").open("w"))
        process = subprocess.Popen(
            command, env=os.environ | settings, stdout=log, stderr=log, text=True
        )
        end.callback(process.kill)
        wait_for(f"http://127.0.0.1:{port}/ping", process)
        heads = fuzz_heads(port, seed, 100 * shares)
        answered = fuzz_server(port, process.pid, seed, shares, clients=4)
        process.terminate()
        if process.wait(30) != 0:
            raise Found(f"the server ended with {process.returncode}")
    return {
        "heads": heads,
        "asked": sum(answered.statuses.values()),
        "statuses": answered.statuses,
        "server_rss_mb": round(answered.rss_mb),
        "server_growth_mb": round(answered.growth_mb),
    }


if __name__ == "__main__":
    sys.exit(main())
