"""The operations of an API, and what API Gateway checks of a request to one.

API Gateway checks that required parameters are there, and bodies of the types that have a schema
against it. Other bodies, and the values of parameters, it leaves to the function: so does this.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jsonschema import Draft4Validator
from jsonschema.exceptions import best_match
from starlette.requests import Request

from kennel.local.refusals import Refused

METHODS = ("delete", "get", "head", "options", "patch", "post", "put")
JSON = "application/json"
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """A path, such as /v1/predict or /{name}/{rest+}, a method, and what a request must have."""

    path: str
    method: str
    needs_key: bool = False
    required: Sequence[tuple[str, str]] = ()  # place and name: ("header", "x-shop")
    schemas: Mapping[str, Schema] = field(default_factory=dict)  # by content type
    components: Schema = field(default_factory=dict)  # where references are looked up

    def check(self, request: Request, body: bytes) -> None:
        """Raise Refused if a request is not as described."""
        for place, name in self.required:
            given = request.headers if place == "header" else request.query_params
            if not given.get(name):
                raise Refused("BAD_REQUEST_PARAMETERS", f"the parameter {name} is missing")
        kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
        if kind in self._validators and (fault := fault_in(body, self._validators[kind])):
            raise Refused("BAD_REQUEST_BODY", fault)

    def matched(self, path: str) -> dict[str, str] | None:
        """The values of the path's parameters, if it is a path of this operation."""
        found = self._pattern.fullmatch(path)
        return found and found.groupdict()

    @property
    def steps(self) -> list[str]:
        return self.path.strip("/").split("/")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("/" + "/".join(map(step_pattern, self.steps)))

    @cached_property
    def _validators(self) -> dict[str, Draft4Validator]:
        # References are looked up from the root of the schema, so the components go along.
        return {
            kind: Draft4Validator({"allOf": [schema], "components": self.components})
            for kind, schema in self.schemas.items()
        }


def step_pattern(step: str) -> str:
    if step.startswith("{"):
        return f"(?P<{step.strip('{+}')}>{'.+' if step.endswith('+}') else '[^/]+'})"
    return re.escape(step)


def fault_in(body: bytes, validator: Draft4Validator) -> str | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return "the body is not JSON, though its content type says so"
    error = best_match(validator.iter_errors(document))
    if error is None:
        return None
    place = "/".join(str(step) for step in error.absolute_path)
    return f"the JSON{' at ' + place if place else ''} is not as described: {error.message[:200]}"


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Those of an OpenAPI document, as terraform/modules/gateway/openapi.tf takes it."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield operation_of(document, path, method, item[method])


def operation_of(
    document: Mapping[str, Any], path: str, method: str, described: Mapping[str, Any]
) -> Operation:
    schema = described.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema")
    return Operation(
        path,
        method.upper(),
        needs_key=method != "options",  # browsers send no key with a preflight
        required=[
            (each["in"], each["name"])
            for each in described.get("parameters", [])
            if each.get("required")
        ],
        schemas={JSON: schema} if schema else {},
        components=document.get("components", {}),
    )


class Table:
    """The operations by path and method: words go before {names}, and these before {all+}."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._operations = sorted(operations, key=lambda each: [kind(s) for s in each.steps])

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._operations)

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """The operation of a request and the values of its path's parameters."""
        for operation in self._operations:
            if operation.method in (method, "ANY"):
                parameters = operation.matched(path)
                if parameters is not None:
                    return operation, parameters
        raise Refused("MISSING_AUTHENTICATION_TOKEN", "there is nothing at this path")


def kind(step: str) -> int:
    return step.startswith("{") + step.endswith("+}")
