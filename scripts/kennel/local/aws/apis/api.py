"""The APIs that are deployed in the emulated API Gateway, on a port of their own.

Of their own, because what calls an API is no AWS client: its requests are not signed, so that
nothing in them says which service they are for, and they come as HTTP brings them. An API's stage
is at http://127.0.0.1:PORT/restapis/ID/STAGE/_user_request_, the form that other emulators have;
requests for the host ID.execute-api.* are answered too, below /STAGE, as on AWS.
"""

import re
import socket
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from moto.apigateway.exceptions import RestAPINotFound, StageNotFoundException
from moto.apigateway.models import APIGatewayBackend, apigateway_backends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from kennel.local.aws.apis.accesslog import AccessLog
from kennel.local.aws.apis.deployed import Deployed
from kennel.local.aws.apis.firewall import Firewall
from kennel.local.aws.apis.integrations import integrate
from kennel.local.aws.apis.plans import Plans
from kennel.local.aws.apis.refusing import refusal
from kennel.local.aws.apis.signatures import Signatures
from kennel.local.aws.background import Background
from kennel.local.aws.house import House
from kennel.local.description import Operation
from kennel.local.processes import address, listen
from kennel.local.proxy import Form
from kennel.local.stage import Stage
from kennel.local.visit import Place, Visit

PATH = re.compile(r"/restapis/(?P<api>[a-z0-9]+)/(?P<stage>[\w-]+)/_user_request_(?P<path>/.*)?")
HOST = re.compile(r"(?P<api>[a-z0-9]+)\.execute-api\..*")
BELOW = re.compile(r"/(?P<stage>[\w-]+)(?P<path>/.*)?")


@dataclass(frozen=True)
class Kept:
    """What of a stage outlasts its deployments: counts of use."""

    plans: Plans
    firewall: Firewall


class Api:
    def __init__(self, house: House, background: Background) -> None:
        self._house = house
        self._background = background
        self._kept: dict[tuple[str, str], Kept] = {}
        self._server: uvicorn.Server | None = None
        self._served: Future[None] | None = None

    def start(self) -> None:
        """Listen, at the port of last time if it is free."""
        note = self._house.folder("api") / "port"
        listener = listen_again(note)
        self._house.api = address(listener)
        note.write_text(self._house.api.rpartition(":")[2])
        config = uvicorn.Config(
            self, access_log=False, log_level="warning", ws="none", lifespan="off"
        )
        config.timeout_graceful_shutdown = 5
        self._server = uvicorn.Server(config)
        self._served = self._background.start(self._server.serve(sockets=[listener]))

    def close(self) -> None:
        if self._server and self._served:
            self._server.should_exit = True
            self._served.result()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        host, path = request.headers.get("host", ""), request.scope["path"]
        named = HOST.fullmatch(host)
        found = BELOW.fullmatch(path) if named else PATH.fullmatch(path)
        if found is None:
            return unknown()
        api = named["api"] if named else found["api"]
        try:
            stage = self._stage(api, found["stage"])
        except (RestAPINotFound, StageNotFoundException):
            return unknown()
        return await stage.answer(request, found["path"] or "/")

    def _stage(self, api: str, name: str) -> Stage:
        house, backend = self._house, self._backend
        settings = backend.get_stage(api, name)
        deployment: Any = backend.get_deployment(api, str(settings.deployment_id))
        deployed: Deployed = deployment.deployed  # put there by additions/apigateway.py
        source = house.arn("execute-api", f"{api}/{name}")
        form = Form(deployed.binary, settings.variables)
        kept = self._kept.get((api, name)) or self._new(api, name)
        signatures = Signatures(house, source)

        async def signed(visit: Visit, operation: Operation) -> None:
            if (operation.path, operation.method) in deployed.signed:
                await signatures.guard(visit, operation)

        async def behind(
            visit: Visit, operation: Operation, parameters: Mapping[str, str], body: bytes
        ) -> Response:
            integration = deployed.integrations.get((operation.path, operation.method))
            visit.context["resourceId"] = deployed.resources[operation.path]
            caller = f"{source}/{visit.request.method}{operation.path}"
            answer = integrate(house, integration, caller, form)
            return identified(await answer(visit, operation, parameters, body), visit)

        return Stage(
            deployed.table,
            behind,
            place=Place(house.account, api, name, prefix=f"/{name}"),
            guards=(kept.firewall.guard, signed, kept.plans.guard),
            refuse=partial(refusal, deployed.refusals),
            note=AccessLog(house, api, settings).note,
        )

    def _new(self, api: str, name: str) -> Kept:
        region = self._house.region
        arn = f"arn:aws:apigateway:{region}::/restapis/{api}/stages/{name}"
        kept = Kept(Plans(self._backend, api, name), Firewall(self._house, arn))
        self._kept[api, name] = kept
        return kept

    @property
    def _backend(self) -> APIGatewayBackend:
        return apigateway_backends[self._house.account][self._house.region]


def identified(response: Response, visit: Visit) -> Response:
    response.headers["x-amzn-RequestId"] = visit.id
    response.headers["x-amz-apigw-id"] = visit.context["extendedRequestId"]
    response.headers["X-Amzn-Trace-Id"] = visit.trace
    return response


def unknown() -> Response:
    return JSONResponse({"message": "Forbidden"}, 403, {"x-amzn-ErrorType": "ForbiddenException"})


def listen_again(note: Path) -> socket.socket:
    try:
        return listen(int(note.read_text()))
    except (OSError, ValueError):  # there is no note, or somebody else has the port now
        return listen()
