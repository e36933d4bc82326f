"""Who gets into an emulated API: keys and their plans, throttling, IAM, the firewall."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.contract.local.conftest import ACCOUNT, REGION, Aws
from tests.contract.local.lambdas import role_named
from tests.contract.local.shop import Deployed


@pytest.fixture(scope="module")
def shop(aws: Aws) -> Deployed:
    return Deployed(aws, role_named(aws, "shop"))


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
