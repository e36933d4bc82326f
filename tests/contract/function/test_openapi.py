"""The API's description against the code, against itself, and against what API Gateway imports."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from invoke import pictures, policy, query, urls
from tests.conftest import ROOT

DOCUMENT = yaml.safe_load((ROOT / "functions/invoke/openapi.yaml").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]


def nodes(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from nodes(each)


def test_the_limits_are_the_codes() -> None:
    request = SCHEMAS["PredictRequest"]["properties"]
    (top,) = (
        each
        for each in DOCUMENT["paths"]["/v1/predict"]["post"]["parameters"]
        if each["name"] == "top"
    )
    assert request["urls"]["maxItems"] == query.MOST_URLS
    assert request["image"]["maxLength"] == query.MOST_BYTES * 4 // 3
    assert SCHEMAS["Url"]["maxLength"] == urls.MOST_CHARACTERS
    assert (top["schema"]["maximum"], top["schema"]["default"]) == (
        query.MOST_TOP,
        query.Options().top,
    )
    assert (
        f"up to {query.MOST_URLS} pictures" in DOCUMENT["paths"]["/v1/predict"]["post"]["summary"]
    )
    text = DOCUMENT["paths"]["/v1/predict"]["post"]["description"]
    assert f"{query.MOST_BYTES} bytes" in text.replace("\n", " ")
    assert f"{pictures.MOST_PIXELS // 1_000_000} million pixels" in text
    assert policy.Policy().picture_bytes == query.MOST_BYTES


def test_the_content_types_are_the_codes() -> None:
    content = DOCUMENT["paths"]["/v1/predict"]["post"]["requestBody"]["content"]
    assert list(content) == [*query.PICTURES, "application/json"]


def examples() -> Iterator[tuple[dict[str, Any], object]]:
    for node in nodes(DOCUMENT):
        if "example" in node and "schema" in node:
            yield node["schema"], node["example"]


def test_every_example_is_as_described() -> None:
    checked = 0
    for schema, example in examples():
        components = DOCUMENT["components"]
        Draft4Validator({"allOf": [schema], "components": components}).validate(example)
        checked += 1
    assert checked >= 13


def test_every_error_has_an_example_of_its_own_status() -> None:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            for status, reference in operation["responses"].items():
                if int(status) >= 400:
                    name = reference["$ref"].rpartition("/")[2]
                    content = DOCUMENT["components"]["responses"][name]["content"]
                    example = content["application/problem+json"]["example"]
                    assert example["status"] == int(status), (path, method)


def test_every_reference_leads_somewhere() -> None:
    for node in nodes(DOCUMENT):
        if "$ref" in node:
            _, _, kind, name = node["$ref"].split("/")
            assert name in DOCUMENT["components"][kind]


def test_it_is_what_api_gateway_imports() -> None:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html"""
    assert DOCUMENT["openapi"].startswith("3.0.")
    assert all(re.fullmatch(r"[A-Za-z0-9]+", name) for name in SCHEMAS)
    refused = {
        "oneOf",
        "anyOf",
        "not",
        "discriminator",
        "nullable",
        "exclusiveMinimum",
        "deprecated",
    }
    for node in nodes(DOCUMENT):
        assert not refused & node.keys()
        assert not any(key.startswith("x-amazon") for key in node)
    for item in DOCUMENT["paths"].values():
        assert all("default" not in operation["responses"] for operation in item.values())


@pytest.mark.parametrize("tool", ["api_docs"])
def test_the_rendered_page_is_in_step(tool: str) -> None:
    import importlib

    assert importlib.import_module(tool).main(["check"]) == 0
