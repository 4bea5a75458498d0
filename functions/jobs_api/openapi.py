"""The OpenAPI document of all routes, made from the code; `python -m jobs_api.openapi` writes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from jobs_api import jobs, keys, meta
from orchestrator.service.audit_views import AuditOut
from rest.problems import CONTENT_TYPE
from work_api import routes

VERSION = "1.0.0"
DESCRIPTION = """\
Jobs of up to a million tasks, run by workers anywhere.

People and programs send `Authorization: Bearer <key>`; routes of keys and workers are signed with
IAM credentials (SigV4, service `execute-api`). Bodies are read as strict JSON: unknown fields,
wrong types and duplicate keys are refused. Every error is `application/problem+json` (RFC 9457)
with a stable `code`, and `errors` names field, rule and the value seen.
"""
_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "jobs": [{"Bearer": []}],
    "tasks": [{"Bearer": []}],
    "workers": [{"SigV4": []}],
    "keys": [{"SigV4": []}],
    "meta": [],
}
_TAGS = {
    "jobs": "Submit, follow, stop and retry jobs.",
    "tasks": "The tasks of a job.",
    "workers": "What workers call.",
    "keys": "API keys, for operators.",
    "meta": "About the API itself.",
}
_SCHEMES = {
    "Bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "SigV4": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4 for the service execute-api.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
}
_PROBLEMS = {
    400: "The request cannot be read: not JSON, a duplicate key, a cursor that was changed.",
    401: "No key, or one that is not known.",
    403: "The key's role does not allow this, or the signature is wrong.",
    404: "There is no such thing for this tenant.",
    409: "The state of the resource, or an Idempotency-Key used before, does not allow this.",
    413: "The body is too large.",
    422: "A field breaks its rule.",
    429: "A limit is reached; Retry-After says when to try again.",
}
_REFERENCE = "#/components/schemas/{model}"


class FieldErrorOut(BaseModel):
    """One broken rule: where, which, and what was seen instead (cut to 80 characters)."""

    field: str
    rule: str
    seen: str | None = None


class ProblemOut(BaseModel):
    """Any error (RFC 9457). `code` is stable and for programs; `action` says what to do."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    action: str | None = None
    instance: str | None = None
    errors: list[FieldErrorOut] | None = None


def document() -> dict[str, Any]:
    """Return the document, the same for the same code."""
    app = APIGatewayRestResolver(enable_validation=True)
    for part in (jobs, keys, meta, routes):
        app.include_router(part.router)
    made: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(title="Job orchestrator", version=VERSION)
    )
    made["info"]["description"] = DESCRIPTION
    # Relative to where this document is: the stage's root, whatever stands before it.
    made["servers"] = [{"url": "../.."}]
    made["tags"] = [{"name": name, "description": text} for name, text in _TAGS.items()]
    made["components"]["securitySchemes"] = _SCHEMES
    for path in sorted(made["paths"]):
        made["paths"][path] = {
            method: _operation(path, method, operation)
            for method, operation in made["paths"].pop(path).items()
        }
    _replace_error_schemas(made["components"]["schemas"])
    _add_audit(made)
    return made


def _add_audit(made: dict[str, Any]) -> None:
    """Say what an audit answers: its route does not, since that would cost each cold start its models."""
    reference, schemas = models_json_schema([(AuditOut, "serialization")], ref_template=_REFERENCE)
    made["components"]["schemas"] |= schemas["$defs"]
    answer = made["paths"]["/api/v1/jobs/{job_id}/audit"]["get"]["responses"]["200"]
    answer["content"] = {"application/json": {"schema": reference[AuditOut, "serialization"]}}


def _operation(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    """Return an operation with its security and the problems that it may answer."""
    (tag,) = operation["tags"]
    operation["security"] = security = _SECURITY[tag]
    answers = {k: v for k, v in operation["responses"].items() if k != "422"}
    if security:
        answers |= {str(code): _problem(code) for code in _codes(tag, path, method)}
    if operation["operationId"] == "getJob":
        answers["304"] = {"description": "Nothing has changed since the ETag in If-None-Match."}
    if operation["operationId"] == "submitJob":
        answers["200"] = {**answers["201"], "description": "The job of an earlier, equal request."}
        answers["201"]["headers"] = {
            "Location": {
                "description": "The job, relative to this request's URL.",
                "schema": {"type": "string"},
            }
        }
    if "204" in answers:
        answers["204"].pop("content", None)
    operation["responses"] = dict(sorted(answers.items()))
    return operation


def _codes(tag: str, path: str, method: str) -> set[int]:
    """Return the problems that a route of this kind may answer."""
    codes = {400, 403, 422, 429}
    if _SECURITY[tag] == _SECURITY["jobs"]:
        codes |= {401}  # An unsigned request to an IAM route is a 403.
    if "{" in path:
        codes |= {404}
    if method == "post":
        codes |= {413}
    if tag == "jobs" and (method == "post" or path.endswith("/results")):
        codes |= {409}
    return codes


def _problem(code: int) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    return {"description": _PROBLEMS[code], "content": {CONTENT_TYPE: {"schema": schema}}}


def _replace_error_schemas(schemas: dict[str, Any]) -> None:
    """Put the schemas of problems in the place of those of Powertools' own errors."""
    for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(name, None)
    _, made = models_json_schema([(ProblemOut, "serialization")], ref_template=_REFERENCE)
    for name, schema in made["$defs"].items():
        schemas[name.removesuffix("Out")] = json.loads(
            json.dumps(schema).replace("FieldErrorOut", "FieldError")
        )


def text() -> str:
    """Return the document as the repository keeps it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
