"""AWS's services on one loopback port: moto with our additions, and what they run.

    python -m kennel.local.aws.control --state .kennel/local/state --port 4566

One process. When it listens, STATE/control.json says where; SIGTERM ends it and all it started.
"""

import argparse
import gc
import json
import logging
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from kennel.local.aws import additions, failures, journal
from kennel.local.aws.clock import Clock
from kennel.local.aws.house import House
from kennel.local.aws.running.runners import runner_of

READY = "control.json"
log = logging.getLogger("kennel.control")


class QuietHandler(MotoRequestHandler):
    """No line for each request; failures are logged where they happen."""

    def log_request(self, *_: object) -> None:
        pass


def build(house: House) -> journal.Wsgi:
    """The services as one WSGI application."""
    journal.install()
    additions.install(house)
    application: journal.Wsgi = DomainDispatcherApplication(create_backend_app)
    return failures.told(house.journal.around(application))


def serve(house: House, port: int, descriptor: int | None = None) -> None:
    """Listen, bring back what was there, answer until SIGTERM or SIGINT, close the house."""
    told = told_to_end()
    application = build(house)
    server = make_server(
        "127.0.0.1",
        port,
        application,
        threaded=True,
        request_handler=QuietHandler,
        fd=descriptor,
    )
    house.address = f"http://127.0.0.1:{server.port}"
    try:
        count = house.journal.repeat(application)
        if count:
            log.info("repeated %d calls", count)
        house.restart()
        gc.freeze()  # moto's modules stay: no collection, nor the one at the end, looks at them
        threading.Thread(target=server.serve_forever, daemon=True).start()
        announce(house)
        told.wait()
        server.shutdown()
    finally:
        (house.state / READY).unlink(missing_ok=True)
        house.close()
        server.server_close()


def announce(house: House) -> None:
    where = {"address": house.address, "api": house.api}
    text = json.dumps({**where, "pid": os.getpid(), "region": house.region})
    new = house.state / f"{READY}.new"
    new.write_text(text)
    new.rename(house.state / READY)


def told_to_end() -> threading.Event:
    """Set by a signal, from now on: what was started by then is ended in good order."""
    told = threading.Event()

    def tell(number: int, _: FrameType | None) -> None:
        log.info("ended by %s", signal.Signals(number).name)
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, tell)
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fd", type=int, help="an inherited socket that listens on that port")
    parser.add_argument("--region", default="eu-west-1")
    parser.add_argument("--runner", choices=("processes", "docker"), default="processes")
    parser.add_argument("--speed", type=float, default=1, help="of AWS's own waits")
    options = parser.parse_args(arguments)
    gc.set_threshold(100_000, 50, 100)  # collections took a third of a start: moto's objects stay
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    for chatty in ("werkzeug", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    state = options.state.absolute()
    state.mkdir(parents=True, exist_ok=True)
    house = House(
        state=state,
        clock=Clock(options.speed),
        runner=runner_of(options.runner, state),
        journal=journal.Journal(state),
        region=options.region,
    )
    serve(house, options.port, options.fd)


if __name__ == "__main__":
    main()
