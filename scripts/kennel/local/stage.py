"""The gateway: what happens to a request between its arrival and its answer.

`make demo` and the emulated API Gateway serve stages; they differ in what they make them of.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from kennel.local.description import Operation, Table
from kennel.local.function import FunctionError, Throttled, TookTooLong, TooLarge
from kennel.local.proxy import Form, answer_of, event_of
from kennel.local.refusals import Refused
from kennel.local.visit import Place, Visit

MOST_BYTES = 10 * 1024 * 1024
SECONDS = 29.0

Integrate = Callable[[Visit, Operation, Mapping[str, str], bytes], Awaitable[Response]]
Guard = Callable[[Visit, Operation], Awaitable[None]]
Refuse = Callable[[Refused, Visit], Response]
Note = Callable[[Visit, Response], None]


class Invokes(Protocol):
    async def invoke(self, event: Mapping[str, Any], request_id: str) -> Any:
        """The handler's result. Raises what kennel.local.function has for what goes wrong."""


def pass_unnoted(visit: Visit, response: Response) -> None:
    pass


def problem(refused: Refused, visit: Visit) -> Response:
    """The gateway's own errors, in the form of the API's (RFC 9457)."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": str(refused),
        "request_id": visit.id,
    }
    headers = {"X-Request-Id": visit.id} | refused.headers
    return Response(json.dumps(body), refused.status, headers, "application/problem+json")


@dataclass(frozen=True)
class Stage:
    table: Table
    integrate: Integrate
    place: Place = Place()  # noqa: RUF009 - frozen
    guards: Sequence[Guard] = ()  # raise Refused
    refuse: Refuse = problem
    note: Note = pass_unnoted

    async def answer(self, request: Request, path: str) -> Response:
        visit = Visit(request, self.place, path)
        try:
            response = await self._let_in(visit)
        except Refused as refused:
            visit.refused(refused)
            response = self.refuse(refused, visit)
        visit.answered(response)
        self.note(visit, response)
        return response

    async def _let_in(self, visit: Visit) -> Response:
        operation, parameters = self.table.find(visit.request.method, visit.path)
        visit.context["resourcePath"] = operation.path
        for guard in self.guards:
            await guard(visit, operation)
        body = await visit.body(MOST_BYTES)
        operation.check(visit.request, body)
        return await self.integrate(visit, operation, parameters, body)


def proxied(function: Invokes, form: Form) -> Integrate:
    """Hand requests to a function as proxy events."""

    async def integrate(
        visit: Visit, operation: Operation, parameters: Mapping[str, str], body: bytes
    ) -> Response:
        event = event_of(visit, form, operation.path, parameters, body)
        accepted = visit.request.headers.get("accept", "")
        try:
            with visit.integrating():
                result = await function.invoke(event, visit.id)
            return answer_of(result, form, accepted)
        except TooLarge as error:
            raise Refused("REQUEST_TOO_LARGE", f"{error}: send a smaller picture") from error
        except Throttled as error:
            # As API Gateway has it, which does not pass Lambda's 429 on.
            message = "the function runs as many requests as it may"
            raise Refused("INTEGRATION_FAILURE", message) from error
        except TookTooLong as error:
            message = "the function did not answer in time"
            raise Refused("INTEGRATION_TIMEOUT", message) from error
        except FunctionError as error:
            message = "the function gave no usable answer"
            raise Refused("INTEGRATION_FAILURE", message) from error

    return integrate
