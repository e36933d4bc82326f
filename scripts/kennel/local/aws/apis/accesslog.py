"""What a stage writes down: a line for each request, and why those failed that failed here."""

import time

from moto.apigateway.models import Stage
from moto.logs.models import LogsBackend, logs_backends
from starlette.responses import Response

from kennel.local.aws.house import House
from kennel.local.visit import Visit


class AccessLog:
    """Into the log groups of the stage's settings, where they exist."""

    def __init__(self, house: House, api: str, stage: Stage) -> None:
        self._house = house
        self._api = api
        self._stage = stage

    def note(self, visit: Visit, response: Response) -> None:
        if settings := self._stage.access_log_settings:
            group = settings["destinationArn"].partition(":log-group:")[2].removesuffix(":*")
            self._write(group, visit.rendered(settings["format"], missing="-"))
        if response.status_code >= 500 and "error" in visit.more and self._logs_errors:
            group = f"API-Gateway-Execution-Logs_{self._api}/{self._stage.name}"
            self._write(group, f"({visit.id}) Execution failed: {visit.more['error']['cause']}")

    @property
    def _logs_errors(self) -> bool:
        levels = {each.get("loggingLevel") for each in self._stage.method_settings.values()}
        return bool(levels & {"ERROR", "INFO"})

    def _write(self, group: str, line: str) -> None:
        logs: LogsBackend = logs_backends[self._house.account][self._house.region]
        if group in logs.groups:
            stream = f"{self._api}-{self._stage.name}"
            logs.ensure_log_stream(group, stream)
            event = {"timestamp": int(time.time() * 1000), "message": line}
            logs.put_log_events(group, stream, [event])
