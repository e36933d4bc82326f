"""The half of suite.py that runs inside a pytest process: it asks for a file, and runs that.

A file is imported when its turn comes. One session runs them all and makes its fixtures once.
"""

import gc
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--queue", type=int, help="the socket to ask for files")
    parser.addoption("--long", action="store_true", help="only the tests marked long")


def pytest_configure(config: pytest.Config) -> None:
    gc.set_threshold(100_000, 50, 100)  # collections took a tenth of the time
    if (number := config.getoption("queue")) is not None:
        config.pluginmanager.register(Worker(config, socket.socket(fileno=number)))


class Worker:
    def __init__(self, config: pytest.Config, controller: socket.socket) -> None:
        self.is_long: bool = config.getoption("long")
        self.controller = controller
        self.modules: dict[str, pytest.Collector] = {}
        self.outcome, self.text, self.seconds = "passed", "", 0.0  # of the test that runs

    def send(self, kind: str, **values: Any) -> None:
        self.controller.sendall((json.dumps({"kind": kind, **values}) + "\n").encode())

    def files(self) -> Iterator[str]:
        with self.controller.makefile() as answers:
            while True:
                self.send("next")
                if not (file := answers.readline().strip()):
                    return
                yield file

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool:
        """Find the files without importing them."""
        found = session.perform_collect(genitems=False)
        root = session.config.rootpath
        self.modules = {str(Path(node.path).relative_to(root)): node for node in found}
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for file in self.files():
            began = time.monotonic()
            items = self.collect(session, file)
            session.testscollected += len(items)
            # After the last test of a file only what the whole session shares stays.
            for item, following in zip(items, [*items, session][1:], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            self.send("file", file=file, tests=len(items), seconds=time.monotonic() - began)
        return True

    def collect(self, session: pytest.Session, file: str) -> list[pytest.Item]:
        items = list(session.genitems(self.modules[file]))
        items = [i for i in items if bool(i.get_closest_marker("long")) == self.is_long]
        session.config.hook.pytest_collection_modifyitems(
            session=session, config=session.config, items=items
        )
        return items

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.send(
                "outcome",
                test=report.nodeid,
                outcome="failed",
                text=report.longreprtext,
                seconds=0.0,
            )

    def pytest_runtest_logstart(self) -> None:
        self.outcome, self.text, self.seconds = "passed", "", 0.0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds += report.duration
        if report.failed:
            sections = (f"--- {name}\n{text}" for name, text in report.sections)
            self.outcome = "failed"
            self.text += "\n".join([f"({report.when}) {report.longreprtext}", *sections])
        elif report.skipped and self.outcome == "passed":
            self.outcome = "skipped"
            self.text = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.send(
            "outcome", test=nodeid, outcome=self.outcome, text=self.text, seconds=self.seconds
        )
