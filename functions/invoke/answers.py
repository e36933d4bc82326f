"""Answers in the form that API Gateway's proxy integration takes."""

import json
from typing import Any

from invoke.problems import Problem

Answer = dict[str, Any]
ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, X-Api-Key",
    "Access-Control-Max-Age": "600",
}


def rendered(status: int, document: object, kind: str, headers: dict[str, str]) -> Answer:
    return {
        "statusCode": status,
        "headers": {"Content-Type": kind, "X-Content-Type-Options": "nosniff", **headers},
        "body": json.dumps(document),
        "isBase64Encoded": False,
    }


def success(document: object, headers: dict[str, str]) -> Answer:
    return rendered(200, document, "application/json", headers)


def failure(problem: Problem, request_id: str, headers: dict[str, str]) -> Answer:
    kind = "application/problem+json"
    return rendered(problem.status, problem.body(request_id), kind, headers | problem.headers)


def preflight(headers: dict[str, str]) -> Answer:
    """What a browser asks before it lets a page of another origin call us."""
    allowed = ALLOWED if "Access-Control-Allow-Origin" in headers else {}
    return {
        "statusCode": 204,
        "headers": headers | allowed,
        "body": "",
        "isBase64Encoded": False,
    }


def cors(origins: tuple[str, ...], origin: str | None) -> dict[str, str]:
    """The headers that let a page of this origin read the answer, if the settings do."""
    if "*" in origins:
        shared = {"Access-Control-Allow-Origin": "*"}
    elif origin is not None and origin in origins:
        shared = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    else:
        return {"Vary": "Origin"} if origins else {}
    return shared | {"Access-Control-Expose-Headers": "Retry-After, X-Request-Id"}
