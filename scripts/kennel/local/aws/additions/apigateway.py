"""API Gateway for moto: what an import says is kept, deployments are snapshots, and are served.

Of an OpenAPI document moto takes paths and integrations only; it patches neither methods nor
integrations, and binary types wrongly.
"""

import json
from collections.abc import Mapping
from typing import Any

from moto.apigateway.exceptions import BadRequestException
from moto.apigateway.models import APIGatewayBackend, Deployment, Method, RestAPI, UsagePlan
from moto.apigateway.responses import APIGatewayResponse

from kennel.local.aws.apis.api import Api
from kennel.local.aws.apis.deployed import deployed
from kennel.local.aws.apis.integrations import check_timeout
from kennel.local.aws.background import Background
from kennel.local.aws.house import House
from kennel.local.description import METHODS

ANY = "x-amazon-apigateway-any-method"
BINARY = "x-amazon-apigateway-binary-media-types"
RESPONSES = "x-amazon-apigateway-gateway-responses"
VALIDATOR = "x-amazon-apigateway-request-validator"
PLACES = {"query": "querystring", "header": "header", "path": "path"}


def install(house: House) -> None:
    api = house.share(Api(house, house.the(Background)))
    house.on_restart(api.start)
    house.on_close(api.close)
    complete_import()
    complete_deployments()
    complete_patches()


def put(target: type, *methods: Any) -> None:
    for method in methods:
        setattr(target, method.__name__, method)


def complete_import() -> None:
    respond = APIGatewayResponse.create_rest_api
    import_as_moto_does = APIGatewayBackend.put_rest_api

    def create_rest_api(self: APIGatewayResponse) -> Any:
        status, headers, body = respond(self)
        document = json.loads(body)
        if "id" in document and (types := self._get_param("binaryMediaTypes")):
            api = self.backend.get_rest_api(document["id"])
            api.binaryMediaTypes = list(types)
            body = json.dumps(api.to_dict())
        return status, headers, body

    def put_rest_api(
        self: APIGatewayBackend,
        function_id: str,
        api_doc: dict[str, Any],
        fail_on_warnings: bool,  # noqa: FBT001 - moto's own
        mode: str = "merge",
    ) -> RestAPI:
        api = self.get_rest_api(function_id)
        root = api.default.id
        document = {**api_doc, "paths": {p: plain(i) for p, i in api_doc["paths"].items()}}
        import_as_moto_does(self, function_id, document, fail_on_warnings, mode)
        keep_root(api, root)
        if mode == "overwrite":
            api.models, api.request_validators, api.gateway_responses = {}, {}, {}
        Imported(api, document).complete()
        return api

    put(APIGatewayResponse, create_rest_api)
    put(APIGatewayBackend, put_rest_api)


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """The methods of a path, in moto's words."""
    methods = {name: item[name] for name in METHODS if name in item}
    if ANY in item:
        methods["any"] = item[ANY]
    return {name: integrated(method) for name, method in methods.items()}


def integrated(method: Mapping[str, Any]) -> dict[str, Any]:
    """A method whose integration moto takes: types in capitals, and a mock with a URI."""
    name = "x-amazon-apigateway-integration"
    found = method.get(name)
    if not found:
        return dict(method)
    check_timeout(found.get("timeoutInMillis"))
    usual = {"uri": "", "httpMethod": "POST"} if found["type"].upper() == "MOCK" else {}
    behaviour = found.get("passthroughBehavior", "when_no_match").upper()
    own = {"type": found["type"].upper(), "passthroughBehavior": behaviour}
    return {**method, name: {**usual, **found, **own}}


def keep_root(api: RestAPI, root: str) -> None:
    """moto gives the root resource a new id with each import; AWS does not."""
    new = api.default.id
    api.resources = {
        root if name == new else name: resource for name, resource in api.resources.items()
    }
    for resource in api.resources.values():
        resource.parent_id = root if resource.parent_id == new else resource.parent_id
    api.default.id = api.root_resource_id = root


class Imported:
    """What an OpenAPI document says, put into moto's API."""

    def __init__(self, api: RestAPI, document: Mapping[str, Any]) -> None:
        self._api = api
        self._document = document
        self._components = document.get("components", {})

    def complete(self) -> None:
        api, document = self._api, self._document
        if BINARY in document:
            api.binaryMediaTypes = list(document[BINARY])
        for kind, said in document.get(RESPONSES, {}).items():
            status = said.get("statusCode")
            api.put_gateway_response(
                kind,
                status_code=str(status) if status is not None else None,  # type: ignore[arg-type]
                response_parameters=said.get("responseParameters", {}),
                response_templates=said.get("responseTemplates", {}),
            )
        for name, schema in self._components.get("schemas", {}).items():
            api.add_model(
                name, schema.get("description", ""), json.dumps(schema), "application/json"
            )
        validators = {
            name: api.create_request_validator(
                name,
                settings.get("validateRequestBody", False),
                settings.get("validateRequestParameters", False),
            ).id
            for name, settings in document.get(f"{VALIDATOR}s", {}).items()
        }
        for resource in api.resources.values():
            item = document["paths"].get(resource.get_path(), {})
            for name, said in item.items():
                self._method(resource.resource_methods[name.upper()], said, validators)

    def _method(
        self, method: Method, said: Mapping[str, Any], validators: Mapping[str, str]
    ) -> None:
        method.operation_name = said.get("operationId")
        security = said.get("security", self._document.get("security", []))
        schemes = [self._scheme(name) for each in security for name in each]
        signs = any("x-amazon-apigateway-authtype" in scheme for scheme in schemes)
        method.authorization_type = "AWS_IAM" if signs else "NONE"
        method.api_key_required = any(
            scheme.get("type") == "apiKey" and scheme.get("name", "").lower() == "x-api-key"
            for scheme in schemes
        )
        validator = said.get(VALIDATOR, self._document.get(VALIDATOR))
        method.request_validator_id = validators.get(validator) if validator else None
        method.request_parameters = {
            f"method.request.{PLACES[each['in']]}.{each['name']}": bool(each.get("required"))
            for each in said.get("parameters", [])
            if each["in"] in PLACES
        }
        method.request_models = {
            kind: self._model(said, media["schema"])
            for kind, media in said.get("requestBody", {}).get("content", {}).items()
            if "schema" in media
        }

    def _scheme(self, name: str) -> Mapping[str, Any]:
        scheme: Mapping[str, Any] = self._components.get("securitySchemes", {}).get(name, {})
        return scheme

    def _model(self, said: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
        """The model's name: that of the schema it refers to, or one made up, as AWS does."""
        if "$ref" in schema:
            return str(schema["$ref"].rpartition("/")[2])
        name = f"MODEL{len(self._api.models):06x}"
        self._api.add_model(name, said.get("summary", ""), json.dumps(schema), "application/json")
        return name


def complete_deployments() -> None:
    create, delete = RestAPI.create_deployment, RestAPI.delete_deployment

    def create_deployment(self: RestAPI, *arguments: Any, **more: Any) -> Deployment:
        deployment = create(self, *arguments, **more)
        deployment.deployed = deployed(self)  # type: ignore[attr-defined]
        return deployment

    def delete_deployment(self: RestAPI, deployment_id: str) -> Deployment:
        if any(stage.deployment_id == deployment_id for stage in self.stages.values()):
            raise BadRequestException(
                "Active stages pointing to this deployment must be moved or deleted"
            )
        return delete(self, deployment_id)

    def update_deployment(self: APIGatewayResponse) -> str:
        _, _, api, _, deployment_id = self.path.split("/")[:5]
        found = self.backend.get_deployment(api, deployment_id)
        patch(found, self._get_param("patchOperations"), {"description": "description"})
        return json.dumps(found.to_json())

    put(RestAPI, create_deployment, delete_deployment)
    put(APIGatewayResponse, update_deployment)


METHOD = {
    "apiKeyRequired": "api_key_required",
    "authorizationType": "authorization_type",
    "authorizerId": "authorizer_id",
    "operationName": "operation_name",
    "requestModels": "request_models",
    "requestParameters": "request_parameters",
    "requestValidatorId": "request_validator_id",
}
INTEGRATION = {
    "connectionType": "connection_type",
    "contentHandling": "content_handling",
    "credentials": "credentials",
    "httpMethod": "http_method",
    "passthroughBehavior": "passthrough_behaviour",
    "requestParameters": "request_parameters",
    "requestTemplates": "request_templates",
    "timeoutInMillis": "timeout_in_millis",
    "type": "integration_type",
    "uri": "uri",
}


def complete_patches() -> None:
    change, change_plan = APIGatewayBackend.update_rest_api, APIGatewayBackend.update_usage_plan

    def update_method(self: APIGatewayResponse) -> str:
        _, _, api, _, resource, _, verb = self.path.split("/")[:7]
        method = self.backend.get_method(api, resource, verb)
        patch(method, self._get_param("patchOperations"), METHOD)
        return json.dumps(method.to_json())

    def update_integration(self: APIGatewayResponse) -> str:
        _, _, api, _, resource, _, verb = self.path.split("/")[:7]
        integration = self.backend.get_integration(api, resource, verb)
        changes = self._get_param("patchOperations")
        for each in changes:
            if each["path"] == "/timeoutInMillis":
                check_timeout(each.get("value"))
        patch(integration, changes, INTEGRATION)
        return json.dumps(integration.to_json())

    def put_integration(self: APIGatewayBackend, *arguments: Any, **more: Any) -> Any:
        check_timeout(more.get("timeout_in_millis"))
        return place(self, *arguments, **{"uri": "", **more} if more.get("uri") is None else more)

    def update_rest_api(
        self: APIGatewayBackend, function_id: str, patch_operations: list[dict[str, Any]]
    ) -> RestAPI:
        types = [each for each in patch_operations if each["path"].startswith("/binaryMedia")]
        api = change(self, function_id, [each for each in patch_operations if each not in types])
        for each in types:
            patch_binary(api, each)
        return api

    def update_usage_plan(
        self: APIGatewayBackend, usage_plan_id: str, patch_operations: list[dict[str, Any]]
    ) -> UsagePlan:
        numbers = [each for each in patch_operations if each["path"] in NUMBERS]
        others = [each for each in patch_operations if each not in numbers]
        plan = change_plan(self, usage_plan_id, others)
        for each in numbers:
            _, part, name = each["path"].split("/")
            getattr(plan, part)[name] = NUMBERS[each["path"]](each["value"])
        return plan

    place = APIGatewayBackend.put_integration
    put(APIGatewayBackend, put_integration, update_rest_api, update_usage_plan)
    put(APIGatewayResponse, update_method, update_integration)


NUMBERS: Mapping[str, type[int] | type[float]] = {
    "/quota/limit": int,
    "/quota/offset": int,
    "/throttle/burstLimit": int,
    "/throttle/rateLimit": float,
}


def patch_binary(api: RestAPI, operation: Mapping[str, Any]) -> None:
    """The path names the type, its slash written ~1; `replace` has the new one as its value."""
    old = unescaped(operation["path"].removeprefix("/binaryMediaTypes").strip("/"))
    kept = [each for each in api.binaryMediaTypes if each != old]
    new = {"add": [old], "replace": [operation.get("value", "")], "remove": []}
    api.binaryMediaTypes = kept + new[operation["op"]]


def patch(target: Any, operations: list[dict[str, Any]], names: Mapping[str, str]) -> None:
    """Patch operations, applied to attributes, or to entries of those that are dictionaries."""
    for each in operations:
        _, name, *rest = each["path"].split("/")
        if name not in names:
            raise BadRequestException(f"Invalid patch path {each['path']}")
        attribute, value = names[name], each.get("value")
        if rest:
            entries = dict(getattr(target, attribute) or {})
            entries.pop(unescaped(rest[0]), None)
            if each["op"] != "remove":
                entries[unescaped(rest[0])] = truth(value)
            value = entries
        setattr(target, attribute, truth(value))


def truth(value: Any) -> Any:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
