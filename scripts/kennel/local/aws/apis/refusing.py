"""Gateway responses: what an API that is deployed says by itself, in the words set for it."""

import re
from collections.abc import Mapping

from moto.apigateway.models import GatewayResponse
from starlette.responses import Response

from kennel.local.refusals import USUAL, Refused
from kennel.local.visit import Visit

USUAL_TEMPLATE = '{"message":$context.error.messageString}'
HEADER = "gatewayresponse.header."


def refusal(responses: Mapping[str, GatewayResponse], refused: Refused, visit: Visit) -> Response:
    usual = USUAL[refused.kind]
    if refused.kind not in ("BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS"):
        visit.more["error"] |= {"message": usual.message, "messageString": usual.message}
    general = "DEFAULT_5XX" if refused.status >= 500 else "DEFAULT_4XX"
    found = responses.get(refused.kind) or responses.get(general)
    templates = (found and found.response_templates) or {}
    template = templates.get("application/json", USUAL_TEMPLATE)
    headers = {
        "Content-Type": "application/json",
        "x-amzn-ErrorType": usual.error,
        "x-amzn-RequestId": visit.id,
    }
    for name, value in ((found and found.response_parameters) or {}).items():
        headers[name.removeprefix(HEADER)] = parameter(value, visit)
    if "Connection" in refused.headers:
        headers["Connection"] = refused.headers["Connection"]
    status = int((found and found.status_code) or refused.status)
    return Response(visit.rendered(template), status, headers)


def parameter(value: str, visit: Visit) -> str:
    """'text' in quotes, or the name of something known of the request."""
    if quoted := re.fullmatch("'(.*)'", value):
        return quoted[1]
    source, _, name = value.rpartition(".")
    match source:
        case "method.request.header":
            return visit.request.headers.get(name, "")
        case "method.request.querystring":
            return visit.request.query_params.get(name, "")
    return visit.rendered(f"${value}")
