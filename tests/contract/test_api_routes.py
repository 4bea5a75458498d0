"""The API of template.yaml: each route, who may call it, and how API Gateway itself answers."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from orchestrator.errors import Problem

type Resources = dict[str, dict[str, Any]]

JOBS, WORK = "JobsApiFunction", "WorkApiFunction"
OPEN, BEARER, IAM = "NONE", "Bearer", "AWS_IAM"
ROUTES = {
    ("POST", "/api/v1/jobs"): (JOBS, BEARER),
    ("GET", "/api/v1/jobs"): (JOBS, BEARER),
    ("GET", "/api/v1/jobs/{job_id}"): (JOBS, BEARER),
    ("GET", "/api/v1/jobs/{job_id}/tasks"): (JOBS, BEARER),
    ("GET", "/api/v1/jobs/{job_id}/results"): (JOBS, BEARER),
    ("GET", "/api/v1/jobs/{job_id}/audit"): (JOBS, BEARER),
    ("GET", "/api/v1/jobs/{job_id}/bad-lines"): (JOBS, BEARER),
    ("POST", "/api/v1/uploads"): (JOBS, BEARER),
    ("POST", "/api/v1/plans"): (JOBS, BEARER),
    ("GET", "/api/v1/jobs/{job_id}/grid"): (JOBS, BEARER),
    ("GET", "/api/v1/jobs/{job_id}/cost"): (JOBS, BEARER),
    ("GET", "/api/v1/jobs/{job_id}/errors"): (JOBS, BEARER),
    ("GET", "/api/v1/jobs/{job_id}/events"): (JOBS, BEARER),
    ("GET", "/api/v1/jobs/{job_id}/series"): (JOBS, BEARER),
    ("GET", "/api/v1/workers"): (JOBS, BEARER),
    ("POST", "/api/v1/jobs/{job_id}/cancel"): (JOBS, BEARER),
    ("POST", "/api/v1/jobs/{job_id}/retry"): (JOBS, BEARER),
    ("GET", "/api/v1/tasks/{task_id}"): (JOBS, BEARER),
    ("POST", "/api/v1/keys"): (JOBS, IAM),
    ("GET", "/api/v1/keys"): (JOBS, IAM),
    ("DELETE", "/api/v1/keys/{key_id}"): (JOBS, IAM),
    ("GET", "/api/v1/health"): (JOBS, OPEN),
    ("GET", "/api/v1/docs"): (JOBS, OPEN),
    ("GET", "/api/v1/openapi.json"): (JOBS, OPEN),
    ("POST", "/api/v1/tasks/claim"): (WORK, IAM),
    ("POST", "/api/v1/tasks/complete"): (WORK, IAM),
    ("POST", "/api/v1/tasks/{task_id}/complete"): (WORK, IAM),
    ("POST", "/api/v1/workers/{worker_id}/heartbeat"): (WORK, IAM),
}
PREFLIGHT = {path for (_, path), (_, access) in ROUTES.items() if access == BEARER}


@pytest.fixture(scope="module")
def body(resources: Resources) -> dict[str, Any]:
    """Return the OpenAPI body that API Gateway imports."""
    found: dict[str, Any] = resources["Api"]["Properties"]["Body"]
    return found


@pytest.fixture(scope="module")
def methods(body: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return every method of the API by verb and path."""
    return {
        (verb.upper(), path): method
        for path, verbs in body["paths"].items()
        for verb, method in verbs.items()
    }


type Methods = dict[tuple[str, str], dict[str, Any]]


def test_the_routes_are_exactly_these(methods: Methods) -> None:
    assert methods.keys() == ROUTES.keys() | {("OPTIONS", path) for path in PREFLIGHT}


def test_no_route_is_greedy_or_takes_any_method(methods: Methods) -> None:
    assert not [route for route in methods if "+" in route[1] or "ANY" in route[0]]


def test_each_route_asks_for_its_own_access(methods: Methods) -> None:
    access = {route: [*method["security"][0]] for route, method in methods.items()}
    assert access == {route: [needed] for route, (_, needed) in ROUTES.items()} | {
        ("OPTIONS", path): [OPEN] for path in PREFLIGHT
    }


def test_each_route_reaches_its_function(methods: Methods) -> None:
    for route, method in methods.items():
        integration = method["x-amazon-apigateway-integration"]
        function, _ = ROUTES.get(route, (JOBS, OPEN))
        assert f"${{{function}.Arn}}" in integration["uri"]["Fn::Sub"]
        assert (integration["type"], integration["httpMethod"]) == ("aws_proxy", "POST")


def test_callers_of_iam_routes_need_no_right_to_invoke_the_function(methods: Methods) -> None:
    # InvokeRole NONE: with credentials, API Gateway would invoke it as the caller.
    assert not [
        route
        for route, m in methods.items()
        if "credentials" in m["x-amazon-apigateway-integration"]
    ]


def test_api_gateway_may_invoke_the_function_of_each_route(
    resources: Resources, methods: Methods
) -> None:
    permissions = [
        r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::Permission"
    ]
    allowed = {
        (p["FunctionName"]["Ref"], p["SourceArn"]["Fn::Sub"][0].split("/", 2)[2])
        for p in permissions
        if p["Principal"] == "apigateway.amazonaws.com" and "Ref" in p["FunctionName"]
    }
    for verb, path in methods:
        function, _ = ROUTES.get((verb, path), (JOBS, OPEN))
        assert (function, f"{verb}{re.sub(r'{[^}]+}', '*', path)}") in allowed


def test_the_routes_permissions_fit_into_a_function_s_policy(resources: Resources) -> None:
    # Lambda takes 20 KB: each route of a function is a statement, with the stack's name in it twice.
    stack, size = "a" * 40, 0
    for name, resource in resources.items():
        permission = resource.get("Properties", {})
        if permission.get("FunctionName") != {"Ref": JOBS} or "SourceArn" not in permission:
            continue
        arn = permission["SourceArn"]["Fn::Sub"][0].split("/", 2)[2]
        statement = {
            "Sid": f"{stack}-{name}-ABCDEFGHIJKL",
            "Effect": "Allow",
            "Principal": {"Service": "apigateway.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": f"arn:aws:lambda:ap-southeast-1:123456789012:function:{stack}-jobs-api",
            "Condition": {
                "ArnLike": {
                    "AWS:SourceArn": f"arn:aws:execute-api:ap-southeast-1:123456789012:abcdefghij/*/{arn}"
                }
            },
        }
        size += len(json.dumps(statement, separators=(",", ":"))) + 1
    assert 10_000 < size < 20_480


def test_bytes_leave_the_api_as_bytes(resources: Resources, body: dict[str, Any]) -> None:
    octets = "application/octet-stream"
    assert body["x-amazon-apigateway-binary-media-types"] == [
        {"Fn::If": ["IsLocal", octets, octets]}
    ]
    (stated,) = resources["Api"]["Properties"]["BinaryMediaTypes"]
    assert stated == {"Fn::If": ["IsLocal", octets, octets.replace("/", "~1")]}


def test_a_bearer_token_is_checked_once_a_minute(body: dict[str, Any]) -> None:
    scheme = body["components"]["securitySchemes"]["Bearer"]
    authorizer = scheme["x-amazon-apigateway-authorizer"]
    assert (scheme["in"], scheme["name"], authorizer["type"]) == (
        "header",
        "Authorization",
        "token",
    )
    assert authorizer["authorizerResultTtlInSeconds"] == 60
    expression = authorizer["identityValidationExpression"]
    assert re.fullmatch(expression, "Bearer k.secret")
    assert not re.fullmatch(expression, "Basic abc")
    assert not re.fullmatch(expression, "Bearer ")


def test_all_routes_share_a_throttle(resources: Resources) -> None:
    (stage,) = (
        r["Properties"] for r in resources.values() if r["Type"] == "AWS::ApiGateway::Stage"
    )
    (settings,) = stage["MethodSettings"]
    assert settings["ThrottlingRateLimit"] == {"Ref": "ThrottleRate"}
    assert settings["ThrottlingBurstLimit"] == {"Ref": "ThrottleBurst"}
    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")


@pytest.fixture(scope="module")
def answers(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return API Gateway's own answers by type."""
    found: dict[str, dict[str, Any]] = body["x-amazon-apigateway-gateway-responses"]
    return found


def test_api_gateways_own_answers_are_problems_too(answers: dict[str, dict[str, Any]]) -> None:
    for name, answer in answers.items():
        text = answer["responseTemplates"]["application/json"]
        text = text.replace("$context.error.messageString", '"why"')
        problem = json.loads(text.replace("$context.requestId", "id"))
        assert problem.keys() >= {"type", "title", "code", "detail", "instance"}, name
        assert problem["type"] == f"urn:problem:{problem['code']}"
        assert str(problem.get("status")) == str(answer.get("statusCode")), name
        assert "$" not in json.dumps(problem), name
        headers = answer["responseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        origin = headers["gatewayresponse.header.Access-Control-Allow-Origin"]
        assert origin == {"Fn::Sub": "'${AllowedOrigin}'"}


def test_api_gateways_answers_carry_the_codes_of_the_application(
    answers: dict[str, dict[str, Any]],
) -> None:
    codes = {(kind.status, kind.code) for kind in _kinds(Problem)}
    for name in ("UNAUTHORIZED", "ACCESS_DENIED", "RESOURCE_NOT_FOUND", "REQUEST_TOO_LARGE"):
        problem = json.loads(
            answers[name]["responseTemplates"]["application/json"].replace(
                "$context.error.messageString", '"why"'
            )
        )
        assert (problem["status"], problem["code"]) in codes
    assert {int(a["statusCode"]) for a in answers.values() if "statusCode" in a} >= {
        400, 401, 403, 404, 413, 429, 504,
    }  # fmt: skip
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= answers.keys()


def _kinds(kind: type[Problem]) -> list[type[Problem]]:
    return [kind, *(found for sub in kind.__subclasses__() for found in _kinds(sub))]
