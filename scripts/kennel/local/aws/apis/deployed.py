"""A deployment of an API: what the stage goes on serving while the API is changed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from moto.apigateway.models import GatewayResponse, Integration, Method, RestAPI

from kennel.local.description import Operation, Table

Key = tuple[str, str]  # path and method


@dataclass(frozen=True)
class Deployed:
    table: Table
    integrations: Mapping[Key, Integration]
    signed: frozenset[Key]  # operations for which a caller must sign
    refusals: Mapping[str, GatewayResponse]
    binary: tuple[str, ...]
    resources: Mapping[str, str] = field(default_factory=dict)  # ids by path


def deployed(api: RestAPI) -> Deployed:
    """The API as it is now. Its parts are replaced when they change, so they can be shared."""
    methods = list(methods_of(api))
    integrations = {
        (path, method.http_method): method.method_integration
        for path, method in methods
        if method.method_integration
    }
    return Deployed(
        table=Table([operation(api, path, method) for path, method in methods]),
        integrations=integrations,
        signed=frozenset(
            (path, method.http_method)
            for path, method in methods
            if method.authorization_type == "AWS_IAM"
        ),
        refusals=dict(api.gateway_responses),
        binary=tuple(api.binaryMediaTypes),
        resources={each.get_path(): each.id for each in api.resources.values()},
    )


def methods_of(api: RestAPI) -> Iterator[tuple[str, Method]]:
    for resource in api.resources.values():
        for method in resource.resource_methods.values():
            yield resource.get_path(), method


def operation(api: RestAPI, path: str, method: Method) -> Operation:
    validator = api.request_validators.get(method.request_validator_id or "")
    parameters = method.request_parameters or {}
    models = method.request_models or {}
    schemas = {name: json.loads(model.schema or "{}") for name, model in api.models.items()}
    return Operation(
        path,
        method.http_method,
        needs_key=bool(method.api_key_required),
        required=[
            place_of(name)
            for name, required in parameters.items()
            if required and validator and validator.validate_request_parameters
        ],
        schemas={
            kind: schemas[name]
            for kind, name in models.items()
            if name in schemas and validator and validator.validate_request_body
        },
        components={"schemas": schemas},
    )


def place_of(name: str) -> tuple[str, str]:
    """method.request.header.X-Shop is a header, method.request.querystring.top is not."""
    _, _, place, parameter = name.split(".", 3)
    return place, parameter
