"""API Gateway emulated: what is deployed is what is served, over HTTP, through a function."""

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import httpx
import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.contract.local.conftest import ACCOUNT, REGION, Aws, control
from tests.contract.local.test_functions import LOGGING, TRUST, zipped

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


@pytest.fixture(scope="module")
def role(aws: Aws) -> str:
    iam = aws.client("iam")
    made = iam.create_role(RoleName="shop", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.put_role_policy(RoleName="shop", PolicyName="logs", PolicyDocument=json.dumps(LOGGING))
    return str(made["Role"]["Arn"])


@pytest.fixture(scope="module")
def shop(aws: Aws, role: str) -> Deployed:
    return Deployed(aws, role)


def test_a_request_becomes_an_event_and_its_result_an_answer(shop: Deployed) -> None:
    answer = shop.call("GET", "/things/big%20dog?a=1&a=2", headers={"X-Shop": "1"})
    assert answer.status_code == 200
    assert answer.headers.get_list("x-two") == ["a", "b"]
    assert (
        answer.headers["x-amzn-requestid"] == answer.json()["event"]["requestContext"]["requestId"]
    )
    assert answer.headers["content-type"] == "application/json"
    event = answer.json()["event"]
    assert (event["resource"], event["path"]) == ("/things/{name}", "/things/big dog")
    assert event["pathParameters"] == {"name": "big dog"}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert (event["stageVariables"], event["headers"]["X-Shop"]) == ({"a": "b"}, "1")
    context = event["requestContext"]
    assert (context["apiId"], context["stage"], context["accountId"]) == (
        shop.id,
        "live",
        ACCOUNT,
    )
    assert (context["path"], context["resourcePath"]) == (
        "/live/things/big dog",
        "/things/{name}",
    )


def test_words_go_before_names_and_names_before_all_that_follows(shop: Deployed) -> None:
    readme = shop.call("GET", "/files/readme?shop=x").json()["event"]
    deeper = shop.call("GET", "/files/a/b.txt").json()["event"]
    assert (readme["resource"], deeper["resource"]) == ("/files/readme", "/files/{path+}")
    assert deeper["pathParameters"] == {"path": "a/b.txt"}


def test_the_host_name_of_aws_leads_to_the_stage_too(shop: Deployed) -> None:
    host = {"Host": f"{shop.id}.execute-api.{REGION}.amazonaws.com"}
    answer = httpx.get(f"{shop.aws.api}/live/things/a", headers=host, trust_env=False)
    assert answer.json()["event"]["path"] == "/things/a"


def test_pictures_arrive_byte_for_byte_and_go_out_so(shop: Deployed) -> None:
    picture = b"\xff\xd8\xff\xe0" + bytes(1000)
    sent = shop.call("PUT", "/things/a", content=picture, headers={"Content-Type": "image/jpeg"})
    assert (sent.json()["bytes"], sent.json()["first"]) == (1004, "ffd8ffe0")
    assert sent.json()["event"]["isBase64Encoded"] is True
    got = shop.call("GET", "/binary", headers={"Accept": "image/png"})
    assert (got.content, got.headers["content-type"]) == (b"\x00png", "image/png")
    assert shop.call("GET", "/binary", headers={"Accept": "*/*"}).content == b"AHBuZw=="


def test_requests_are_held_against_the_description(shop: Deployed) -> None:
    json_type = {"Content-Type": "application/json"}
    missing = shop.call("GET", "/files/readme")
    wrong = shop.call("PUT", "/things/a", content=b'{"size": "x"}', headers=json_type)
    right = shop.call("PUT", "/things/a", content=b'{"size": 1}', headers=json_type)
    text = shop.call("PUT", "/things/a", content=b"size", headers={"Content-Type": "text/plain"})
    assert [each.status_code for each in (missing, wrong, right, text)] == [400, 400, 200, 200]
    assert missing.headers["x-amzn-errortype"] == "BadRequestException"
    assert "shop" in missing.json()["message"]


def test_what_is_not_there_is_answered_as_aws_does(shop: Deployed) -> None:
    for method, path in (("GET", "/nothing"), ("POST", "/slow")):
        answer = shop.call(method, path)
        assert answer.status_code == 403
        assert answer.json() == {"message": "Missing Authentication Token"}
        assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    nowhere = httpx.get(f"{shop.aws.api}/restapis/abc/live/_user_request_/", trust_env=False)
    assert (nowhere.status_code, nowhere.json()) == (403, {"message": "Forbidden"})


def test_a_mock_integration_answers_by_itself(shop: Deployed) -> None:
    answer = shop.call("OPTIONS", "/mock")
    assert (answer.status_code, answer.headers["x-mock"]) == (204, "yes")


def test_the_limits_of_time_and_size_are_those_of_aws(shop: Deployed) -> None:
    slow = shop.call("GET", "/slow")
    assert (slow.status_code, slow.json()) == (504, {"message": "Endpoint request timed out"})
    for size in (10 * 1024 * 1024 + 1, 5_000_000):  # beyond API Gateway's, and beyond Lambda's
        answer = shop.call(
            "PUT", "/things/a", content=bytes(size), headers={"Content-Type": "image/png"}
        )
        assert (answer.status_code, answer.json()) == (413, {"message": "Request Too Long"})


@pytest.mark.parametrize("path", ["/broken", "/odd"])
def test_a_function_that_fails_stays_opaque_but_in_the_log(shop: Deployed, path: str) -> None:
    shop.patch_stage({"/*/*/logging/loglevel": "ERROR"})
    answer = shop.call("GET", path)
    assert (answer.status_code, answer.json()) == (502, {"message": "Internal server error"})
    line = shop.lines(f"API-Gateway-Execution-Logs_{shop.id}/live")[-1]
    assert "ValueError: a secret" in line if path == "/broken" else "proxy form" in line


def test_without_permission_api_gateway_may_not_call(aws: Aws, shop: Deployed) -> None:
    lambda_ = aws.client("lambda")
    statements = json.loads(lambda_.get_policy(FunctionName=shop.function)["Policy"])["Statement"]
    for statement in statements:
        lambda_.remove_permission(FunctionName=shop.function, StatementId=statement["Sid"])
    try:
        shop.permit("POST")
        answer = shop.call("GET", "/things/a")
        assert (answer.status_code, answer.json()) == (500, {"message": "Internal server error"})
    finally:
        shop.permit("*")
    assert shop.call("GET", "/things/a").status_code == 200


def test_a_throttled_function_is_the_apis_own_error(aws: Aws, shop: Deployed) -> None:
    lambda_ = aws.client("lambda")
    lambda_.put_function_concurrency(FunctionName=shop.function, ReservedConcurrentExecutions=0)
    try:
        answer = shop.call("GET", "/things/a")
        assert (answer.status_code, answer.json()) == (500, {"message": "Internal server error"})
    finally:
        lambda_.delete_function_concurrency(FunctionName=shop.function)


@pytest.fixture
def key(shop: Deployed) -> Iterator[Callable[..., str]]:
    """Makes API keys with a plan of their own."""
    made: list[tuple[str, str]] = []

    def make(**plan: Any) -> str:
        key = shop.apigateway.create_api_key(name="caller", enabled=True)
        stages = [{"apiId": shop.id, "stage": "live"}]
        plan_id = shop.apigateway.create_usage_plan(name="plan", apiStages=stages, **plan)["id"]
        shop.apigateway.create_usage_plan_key(
            usagePlanId=plan_id, keyId=key["id"], keyType="API_KEY"
        )
        made.append((plan_id, key["id"]))
        return str(key["value"])

    yield make
    for plan_id, key_id in made:
        shop.apigateway.delete_usage_plan_key(usagePlanId=plan_id, keyId=key_id)
        shop.apigateway.delete_usage_plan(usagePlanId=plan_id)


def test_keys_are_asked_for_where_the_document_says_so(
    shop: Deployed, key: Callable[..., str]
) -> None:
    value = key()
    assert shop.call("GET", "/keyed", headers={"X-Api-Key": value}).status_code == 200
    for headers in ({}, {"X-Api-Key": "wrong"}):
        refused = shop.call("GET", "/keyed", headers=headers)
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json"
        assert re.fullmatch(r"[0-9a-f-]{36}", refused.headers["x-request-id"])
        assert refused.json() == {"problem": "Forbidden", "kind": "INVALID_API_KEY"}


def test_a_key_that_was_deleted_is_no_key(shop: Deployed, key: Callable[..., str]) -> None:
    """moto leaves it in its plan."""
    headers = {"X-Api-Key": key()}
    [found] = shop.apigateway.get_api_keys(nameQuery="caller", includeValues=True)["items"][-1:]
    assert found["value"] == headers["X-Api-Key"]
    shop.apigateway.delete_api_key(apiKey=found["id"])
    assert shop.call("GET", "/keyed", headers=headers).status_code == 403


def test_quota_and_throttle_are_counted_by_key(shop: Deployed, key: Callable[..., str]) -> None:
    quota = key(quota={"limit": 2, "period": "DAY"})
    rate = key(throttle={"rateLimit": 0.001, "burstLimit": 1})
    answers = {
        value: [shop.call("GET", "/keyed", headers={"X-Api-Key": value}) for _ in range(3)]
        for value in (quota, rate)
    }
    assert [each.status_code for each in answers[quota]] == [200, 200, 429]
    assert [each.status_code for each in answers[rate]] == [200, 429, 429]
    assert answers[quota][2].json() == {"message": "Limit Exceeded"}
    assert answers[rate][2].json() == {"message": "Too Many Requests"}


def test_the_stage_throttles_all_callers_together(shop: Deployed) -> None:
    rate, burst = "/*/*/throttling/rateLimit", "/*/*/throttling/burstLimit"
    shop.patch_stage({rate: "0.001", burst: "2"})
    try:
        with ThreadPoolExecutor(4) as pool:
            answers = pool.map(lambda _: shop.call("GET", "/things/a").status_code, range(4))
            assert sorted(answers) == [200, 200, 429, 429]
    finally:
        shop.patch_stage({rate: "1000", burst: "2000"})


def test_signed_requests_pass_if_iam_lets_them(aws: Aws, shop: Deployed) -> None:
    iam = aws.client("iam")
    iam.create_user(UserName="caller")
    made = iam.create_access_key(UserName="caller")["AccessKey"]
    keys = Credentials(made["AccessKeyId"], made["SecretAccessKey"])

    def call(credentials: Credentials) -> httpx.Response:
        request = AWSRequest("GET", f"{shop.url}/signed")
        SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
        return shop.call("GET", "/signed", headers=dict(request.headers))

    assert shop.call("GET", "/signed").json()["message"] == "Missing Authentication Token"
    denied = call(keys)
    assert (denied.status_code, denied.headers["x-amzn-errortype"]) == (
        403,
        "AccessDeniedException",
    )
    statement = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{shop.id}/live/GET/signed",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="caller", PolicyName="call", PolicyDocument=policy)
    allowed = call(keys)
    assert allowed.status_code == 200
    identity = allowed.json()["event"]["requestContext"]["identity"]
    assert identity["userArn"] == f"arn:aws:iam::{ACCOUNT}:user/caller"
    forged = call(Credentials(made["AccessKeyId"], "another"))
    assert forged.headers["x-amzn-errortype"] == "InvalidSignatureException"


def test_the_firewall_refuses_what_its_rules_match(aws: Aws, shop: Deployed) -> None:
    wafv2 = aws.client("wafv2")
    seen = {
        "SampledRequestsEnabled": False,
        "CloudWatchMetricsEnabled": False,
        "MetricName": "large",
    }
    statement = {
        "RegexString": "^[0-9]{4,}$",
        "FieldToMatch": {"SingleHeader": {"Name": "content-length"}},
        "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
    }
    wall = wafv2.create_web_acl(
        Name="wall",
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        VisibilityConfig=seen,
        Rules=[
            {
                "Name": "large",
                "Priority": 1,
                "Action": {"Block": {}},
                "Statement": {"RegexMatchStatement": statement},
                "VisibilityConfig": seen,
            }
        ],
    )["Summary"]
    stage = f"arn:aws:apigateway:{REGION}::/restapis/{shop.id}/stages/live"
    wafv2.associate_web_acl(WebACLArn=wall["ARN"], ResourceArn=stage)
    try:
        statuses = [
            shop.call("PUT", "/things/a", content=bytes(size)).status_code for size in (999, 1000)
        ]
        assert statuses == [400, 403]  # 999 zeros are no JSON
    finally:
        wafv2.disassociate_web_acl(ResourceArn=stage)


def test_each_request_leaves_a_line_in_the_access_log(shop: Deployed) -> None:
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:access"
    names = ("requestId", "status", "identity.sourceIp", "integration.latency", "error.message")
    form = json.dumps({name: f"$context.{name}" for name in names})
    shop.patch_stage({"/accessLogSettings/destinationArn": arn, "/accessLogSettings/format": form})
    shop.call("GET", "/things/a")
    shop.call("GET", "/nothing")
    good, bad = (json.loads(line) for line in shop.lines("access"))
    assert (good["status"], good["identity.sourceIp"]) == ("200", "127.0.0.1")
    assert (good["error.message"], good["integration.latency"].isdigit()) == ("-", True)
    assert (bad["status"], bad["integration.latency"]) == ("403", "-")
    assert bad["error.message"] == "Missing Authentication Token"


def test_a_change_is_served_only_when_it_is_deployed(aws: Aws, role: str) -> None:
    shop = Deployed(aws, role)
    document = described(shop.function)
    del document["paths"]["/slow"]
    shop.put(document)
    assert shop.call("GET", "/slow").status_code == 504
    new = shop.deploy()
    assert shop.call("GET", "/slow").status_code == 504
    old = shop.apigateway.get_stage(restApiId=shop.id, stageName="live")["deploymentId"]
    with pytest.raises(ClientError, match="Active stages pointing to this deployment"):
        shop.apigateway.delete_deployment(restApiId=shop.id, deploymentId=old)
    shop.patch_stage({"/deploymentId": new})
    assert shop.call("GET", "/slow").status_code == 403
    shop.apigateway.delete_deployment(restApiId=shop.id, deploymentId=old)


def test_an_import_is_all_there_to_be_read(shop: Deployed) -> None:
    """What Terraform and people would otherwise find missing."""
    api = shop.apigateway.get_rest_api(restApiId=shop.id)
    assert api["binaryMediaTypes"] == ["image/*"]
    resources = {
        each["path"]: each
        for each in shop.apigateway.get_resources(restApiId=shop.id, limit=500)["items"]
    }
    assert resources["/"]["id"] == api["rootResourceId"]
    keyed = resources["/keyed"]["resourceMethods"]["GET"]
    signed = resources["/signed"]["resourceMethods"]["GET"]
    put = resources["/things/{name}"]["resourceMethods"]["PUT"]
    readme = resources["/files/readme"]["resourceMethods"]["GET"]
    assert (keyed["apiKeyRequired"], keyed["authorizationType"]) == (True, "NONE")
    assert (signed["apiKeyRequired"], signed["authorizationType"]) == (False, "AWS_IAM")
    assert put["requestModels"] == {"application/json": "Size"}
    assert readme["requestParameters"] == {"method.request.querystring.shop": True}
    [validator] = shop.apigateway.get_request_validators(restApiId=shop.id)["items"]
    assert (validator["id"], validator["validateRequestBody"]) == (put["requestValidatorId"], True)
    mock = resources["/mock"]["resourceMethods"]["OPTIONS"]["methodIntegration"]
    assert mock["type"] == "MOCK"
    [response] = shop.apigateway.get_gateway_responses(restApiId=shop.id)["items"]
    assert (response["responseType"], response["statusCode"]) == ("INVALID_API_KEY", "403")


def test_patches_change_what_they_name(shop: Deployed) -> None:
    apigateway = shop.apigateway
    resources = apigateway.get_resources(restApiId=shop.id, limit=500)["items"]
    [found] = [each["id"] for each in resources if each["path"] == "/slow"]
    one = {"restApiId": shop.id, "resourceId": found, "httpMethod": "GET"}
    method = apigateway.update_method(
        **one,
        patchOperations=[
            {"op": "replace", "path": "/apiKeyRequired", "value": "true"},
            {
                "op": "add",
                "path": "/requestParameters/method.request.querystring.a",
                "value": "true",
            },
        ],
    )
    assert method["apiKeyRequired"] is True
    assert method["requestParameters"] == {"method.request.querystring.a": True}
    integration = apigateway.update_integration(
        **one, patchOperations=[{"op": "replace", "path": "/timeoutInMillis", "value": "2000"}]
    )
    assert integration["timeoutInMillis"] == 2000
    api = apigateway.update_rest_api(
        restApiId=shop.id,
        patchOperations=[
            {"op": "add", "path": "/binaryMediaTypes/audio~1ogg"},
            {"op": "remove", "path": "/binaryMediaTypes/image~1*"},
        ],
    )
    assert api["binaryMediaTypes"] == ["audio/ogg"]
    deployment = apigateway.create_deployment(restApiId=shop.id)["id"]
    patched = apigateway.update_deployment(
        restApiId=shop.id,
        deploymentId=deployment,
        patchOperations=[{"op": "replace", "path": "/description", "value": "new"}],
    )
    assert patched["description"] == "new"


def test_after_a_crash_nothing_is_left_over_and_all_is_there_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    state = tmp_path_factory.mktemp("crashed")
    with control(state) as first:
        role = first.client("iam").create_role(
            RoleName="shop", AssumeRolePolicyDocument=json.dumps(TRUST)
        )
        shop = Deployed(first, role["Role"]["Arn"])
        lambda_ = first.client("lambda")
        lambda_.publish_version(FunctionName=shop.function)
        lambda_.put_provisioned_concurrency_config(
            FunctionName=shop.function, Qualifier="1", ProvisionedConcurrentExecutions=1
        )
        before = shop.url
        assert shop.call("GET", "/things/a").status_code == 200
        workers = psutil.Process(first.process.pid).children()
        first.process.kill()
    assert workers
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    with control(state) as second:
        shop.aws = second
        assert shop.url == before
        assert shop.call("GET", "/things/a").status_code == 200
        one = {"FunctionName": shop.function, "Qualifier": "1"}
        lambda_, deadline = second.client("lambda"), time.monotonic() + 20
        while lambda_.get_provisioned_concurrency_config(**one)["Status"] != "READY":
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_boto3_finds_no_member_that_its_model_lacks(shop: Deployed) -> None:
    model = boto3.session.Session()._session.get_service_model("apigateway")
    told: dict[str, Any] = {}

    def note(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
        told[operation_model.name] = response_dict

    shop.apigateway.meta.events.register("before-parse.apigateway", note)
    shop.put(described(shop.function))
    deployment = shop.deploy()
    shop.apigateway.update_deployment(
        restApiId=shop.id,
        deploymentId=deployment,
        patchOperations=[{"op": "replace", "path": "/description", "value": "x"}],
    )
    shop.apigateway.meta.events.unregister("before-parse.apigateway", note)
    assert set(told) == {"PutRestApi", "CreateDeployment", "UpdateDeployment"}
    for operation, answer in told.items():
        shape = model.operation_model(operation).output_shape
        assert set(json.loads(answer["body"])) <= set(shape.members) | {"stageName"}, operation
