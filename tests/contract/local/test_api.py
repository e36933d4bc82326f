"""API Gateway emulated: what is deployed is what is served, over HTTP, through a function."""

import json
import time
from typing import Any

import boto3
import httpx
import psutil
import pytest
from botocore.exceptions import ClientError

from tests.contract.local.conftest import ACCOUNT, REGION, Aws, control
from tests.contract.local.lambdas import TRUST, role_named
from tests.contract.local.shop import Deployed, described


@pytest.fixture(scope="module")
def role(aws: Aws) -> str:
    return role_named(aws, "shop")


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


def test_the_gateway_takes_ten_mebibytes_and_no_byte_more(shop: Deployed) -> None:
    """Nothing stands behind this operation that could refuse a request for its size."""
    fits = shop.call("OPTIONS", "/mock", content=bytes(10 * 1024 * 1024))
    beyond = shop.call("OPTIONS", "/mock", content=bytes(10 * 1024 * 1024 + 1))
    assert (fits.status_code, beyond.status_code) == (204, 413)
    assert beyond.json() == {"message": "Request Too Long"}


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


@pytest.mark.parametrize("millis", [49, 29_001])
def test_a_time_that_the_gateway_does_not_give_is_refused(shop: Deployed, millis: int) -> None:
    apigateway, told = shop.apigateway, "Timeout should be between 50 ms and 29000 ms"
    resources = apigateway.get_resources(restApiId=shop.id, limit=500)["items"]
    [found] = [each["id"] for each in resources if each["path"] == "/slow"]
    one = {"restApiId": shop.id, "resourceId": found, "httpMethod": "GET"}
    before = apigateway.get_integration(**one)
    patches = [{"op": "replace", "path": "/timeoutInMillis", "value": str(millis)}]
    with pytest.raises(ClientError, match=f"BadRequestException.*{told}"):
        apigateway.update_integration(**one, patchOperations=patches)
    with pytest.raises(ClientError, match=f"BadRequestException.*{told}"):
        apigateway.put_integration(**one, type="MOCK", timeoutInMillis=millis)
    document = json.loads(json.dumps(described(shop.function)))  # the operations share theirs
    slow = document["paths"]["/slow"]["get"]["x-amazon-apigateway-integration"]
    slow["timeoutInMillis"] = millis
    with pytest.raises(ClientError, match=f"BadRequestException.*{told}"):
        shop.put(document)
    after = apigateway.get_integration(**one)
    assert after["timeoutInMillis"] == before["timeoutInMillis"]


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
    _, alive = psutil.wait_procs(workers, timeout=120)
    assert not alive
    with control(state) as second:
        shop.aws = second
        assert shop.url == before
        assert shop.call("GET", "/things/a").status_code == 200
        one = {"FunctionName": shop.function, "Qualifier": "1"}
        lambda_, deadline = second.client("lambda"), time.monotonic() + 120
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
