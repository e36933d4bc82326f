"""Requests that must be signed: API Gateway's authorization AWS_IAM, judged by moto's IAM."""

from typing import Any

from moto.iam.access_control import IAMRequest
from werkzeug.exceptions import HTTPException

from kennel.local.aws.house import House
from kennel.local.description import Operation
from kennel.local.refusals import Refused
from kennel.local.stage import MOST_BYTES
from kennel.local.visit import Visit


class Signatures:
    def __init__(self, house: House, source: str) -> None:
        """`source` is the ARN of the stage, to which method and path are added."""
        self._house = house
        self._source = source

    async def guard(self, visit: Visit, operation: Operation) -> None:
        request = visit.request
        if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256"):
            raise Refused("MISSING_AUTHENTICATION_TOKEN", "the request is not signed")
        body = await visit.body(MOST_BYTES)
        # moto looks for headers as clients write them.
        headers = {name.title(): value for name, value in request.headers.items()}
        try:
            signed = IAMRequest(
                account_id=self._house.account,
                method=request.method,
                path=str(request.url),
                data={},
                body=body,
                headers=headers,
                action="Invoke",
            )
            signed.check_signature()
        except (HTTPException, KeyError, IndexError) as error:
            raise Refused("INVALID_SIGNATURE", "the signature is wrong") from error
        try:
            signed.check_action_permitted(f"{self._source}/{operation.method}{visit.path}")
        except HTTPException as error:
            raise Refused("ACCESS_DENIED", "the caller may not call the API") from error
        visit.context["identity"]["userArn"] = arn_of(signed)


def arn_of(signed: Any) -> str:
    return str(signed._access_key.arn)
