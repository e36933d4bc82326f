"""What the OpenAPI document says of an operation, held against a request as API Gateway does it.

API Gateway checks that required parameters are there, and JSON bodies against their schema. Other
bodies, and the values of parameters, it leaves to the function: so does this.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft4Validator
from jsonschema.exceptions import best_match
from starlette.requests import Request

METHODS = ("delete", "get", "head", "options", "patch", "post", "put")
JSON = "application/json"


class Operation:
    def __init__(self, document: Mapping[str, Any], path: str, method: str) -> None:
        self.path = path
        self.method = method.upper()
        found = document["paths"][path][method]
        self._required = [each for each in found.get("parameters", []) if each.get("required")]
        self._schema = found.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema")
        # References are looked up from the root of the schema, so the components go along.
        components = document.get("components", {})
        self._validator = Draft4Validator({"allOf": [self._schema or {}], "components": components})

    def fault(self, request: Request, body: bytes) -> str | None:
        """What is wrong with a request, if anything is."""
        for parameter in self._required:
            given = request.headers if parameter["in"] == "header" else request.query_params
            if not given.get(parameter["name"]):
                return f"the parameter {parameter['name']} is missing"
        kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
        return self._fault_in_json(body) if self._schema and kind == JSON else None

    def _fault_in_json(self, body: bytes) -> str | None:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return "the body is not JSON, though its content type says so"
        error = best_match(self._validator.iter_errors(document))
        if error is None:
            return None
        place = "/".join(str(step) for step in error.absolute_path)
        return (
            f"the JSON{' at ' + place if place else ''} is not as described: {error.message[:200]}"
        )


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield Operation(document, path, method)
