"""An API of every sort of operation, deployed in the emulated account with its function."""

import json
import time
from typing import Any

import httpx

from tests.contract.local.conftest import ACCOUNT, REGION, Aws
from tests.contract.local.lambdas import zipped

CODE = """
import base64, json, time

def handle(event, context):
    match event["path"]:
        case "/slow":
            time.sleep(2)
        case "/broken":
            raise ValueError("a secret")
        case "/odd":
            return {"answer": 42}
        case "/binary":
            return {"statusCode": 200, "headers": {"Content-Type": "image/png"},
                    "body": base64.b64encode(b"\\x00png").decode(), "isBase64Encoded": True}
    body = event.pop("body") or ""
    raw = base64.b64decode(body) if event["isBase64Encoded"] else body.encode()
    return {"statusCode": 200, "multiValueHeaders": {"X-Two": ["a", "b"]},
            "body": json.dumps({"event": event, "bytes": len(raw), "first": raw[:4].hex()})}
"""
TEMPLATE = '{"problem":$context.error.messageString,"kind":"$context.error.responseType"}'
Document = dict[str, Any]


def described(function: str) -> Document:
    """An API with one operation of each sort."""
    uri = (
        f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/"
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}/invocations"
    )
    proxy = {
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": uri,
            "timeoutInMillis": 1000,
        }
    }
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 204}'},
        "responses": {
            "204": {
                "statusCode": "204",
                "responseParameters": {"method.response.header.X-Mock": "'yes'"},
            }
        },
    }
    shop = {"name": "shop", "in": "query", "required": True, "schema": {"type": "string"}}
    size = {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer"}}}
    media = {"application/json": {"schema": {"$ref": "#/components/schemas/Size"}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "shop", "version": "1", "description": "a shop"},
        "paths": {
            "/things/{name}": {"get": proxy, "put": {**proxy, "requestBody": {"content": media}}},
            "/files/{path+}": {"get": proxy},
            "/files/readme": {"get": {**proxy, "parameters": [shop]}},
            "/keyed": {"get": {**proxy, "security": [{"api_key": []}]}},
            "/signed": {"get": {**proxy, "security": [{"sigv4": []}]}},
            "/slow": {"get": proxy},
            "/broken": {"get": proxy},
            "/odd": {"get": proxy},
            "/binary": {"get": proxy},
            "/mock": {"options": {"x-amazon-apigateway-integration": mock}},
        },
        "components": {
            "schemas": {"Size": size},
            "securitySchemes": {
                "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
                "sigv4": {
                    "type": "apiKey",
                    "name": "Authorization",
                    "in": "header",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                },
            },
        },
        "x-amazon-apigateway-request-validator": "all",
        "x-amazon-apigateway-request-validators": {
            "all": {"validateRequestBody": True, "validateRequestParameters": True}
        },
        "x-amazon-apigateway-gateway-responses": {
            "INVALID_API_KEY": {
                "statusCode": 403,
                "responseParameters": {
                    "gatewayresponse.header.Content-Type": "'application/problem+json'",
                    "gatewayresponse.header.X-Request-Id": "context.requestId",
                },
                "responseTemplates": {"application/json": TEMPLATE},
            },
        },
    }


class Deployed:
    """The API and its stage, as its owner and its callers see them."""

    def __init__(self, aws: Aws, role: str) -> None:
        self.aws, self.apigateway = aws, aws.client("apigateway")
        self.function = f"shop-{time.time_ns()}"
        lambda_ = aws.client("lambda")
        lambda_.create_function(
            FunctionName=self.function,
            Role=role,
            Runtime="python3.12",
            Handler="code.handle",
            Code={"ZipFile": zipped(code=CODE)},
            Timeout=5,
        )
        made = self.apigateway.create_rest_api(name="shop", binaryMediaTypes=["image/*"])
        self.id = made["id"]
        self.put(described(self.function))
        deployment = self.deploy()
        for name in ("access", f"API-Gateway-Execution-Logs_{self.id}/live"):
            logs = aws.client("logs")
            if not logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]:
                logs.create_log_group(logGroupName=name)
        self.apigateway.create_stage(
            restApiId=self.id, stageName="live", deploymentId=deployment, variables={"a": "b"}
        )
        self.permit("*")

    def put(self, document: Document) -> None:
        body = json.dumps(document).encode()
        self.apigateway.put_rest_api(restApiId=self.id, mode="overwrite", body=body)

    def deploy(self) -> str:
        return str(self.apigateway.create_deployment(restApiId=self.id)["id"])

    def patch_stage(self, values: dict[str, str]) -> None:
        patches = [
            {"op": "replace", "path": path, "value": value} for path, value in values.items()
        ]
        self.apigateway.update_stage(restApiId=self.id, stageName="live", patchOperations=patches)

    def permit(self, method: str) -> None:
        self.aws.client("lambda").add_permission(
            FunctionName=self.function,
            StatementId=f"api-{time.time_ns()}",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{self.id}/live/{method}/*",
        )

    @property
    def url(self) -> str:
        return f"{self.aws.api}/restapis/{self.id}/live/_user_request_"

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        return httpx.request(method, self.url + path, trust_env=False, timeout=20, **more)

    def lines(self, group: str) -> list[str]:
        events = self.aws.client("logs").filter_log_events(logGroupName=group)["events"]
        return [each["message"] for each in events]
