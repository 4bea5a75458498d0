"""The OpenAPI document of all routes, made from the code; `python -m jobs_api.openapi` writes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from jobs_api import insight, jobs, keys, meta, submissions, workers
from orchestrator.service.audit_views import AuditOut
from orchestrator.service.bad_lines import BadLinesOut
from orchestrator.service.error_groups import ErrorPage
from orchestrator.service.estimate import PlanOut
from orchestrator.service.receipt import ReceiptOut
from orchestrator.service.series import SeriesOut
from orchestrator.service.timeline import EventsOut
from orchestrator.service.uploads import UploadOut
from orchestrator.service.workers import WorkerPage
from rest.binary import OCTETS
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
    "submissions": [{"Bearer": []}],
    "fleet": [{"Bearer": []}],
    "workers": [{"SigV4": []}],
    "keys": [{"SigV4": []}],
    "meta": [],
}
_TAGS = {
    "jobs": "Submit, follow, stop and retry jobs.",
    "tasks": "The tasks of a job.",
    "submissions": "Before a submit: uploads and dry runs.",
    "fleet": "The workers, as people see them.",
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
    406: "The answer has one form only, and Accept does not name it first.",
    409: "The state of the resource, or an Idempotency-Key used before, does not allow this.",
    413: "The body is too large.",
    422: "A field breaks its rule.",
    429: "A limit is reached; Retry-After says when to try again.",
}
_REFERENCE = "#/components/schemas/{model}"
_TAGGED = {"getJob", "getGrid", "getEvents", "getSeries"}
"""Operations whose answers have an ETag."""


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
    for part in (jobs, insight, submissions, workers, keys, meta, routes):
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
    _add_answers(made)
    _add_grid(made)
    return made


_RARE: dict[tuple[str, str, str], type[BaseModel]] = {
    ("/api/v1/jobs/{job_id}/audit", "get", "200"): AuditOut,
    ("/api/v1/jobs/{job_id}/bad-lines", "get", "200"): BadLinesOut,
    ("/api/v1/jobs/{job_id}/cost", "get", "200"): ReceiptOut,
    ("/api/v1/jobs/{job_id}/errors", "get", "200"): ErrorPage,
    ("/api/v1/jobs/{job_id}/events", "get", "200"): EventsOut,
    ("/api/v1/jobs/{job_id}/series", "get", "200"): SeriesOut,
    ("/api/v1/plans", "post", "200"): PlanOut,
    ("/api/v1/uploads", "post", "201"): UploadOut,
    ("/api/v1/workers", "get", "200"): WorkerPage,
}


def _add_answers(made: dict[str, Any]) -> None:
    """Say what rare routes answer: they do not, since that would cost each cold start their models."""
    reference, schemas = models_json_schema(
        [(model, "serialization") for model in _RARE.values()], ref_template=_REFERENCE
    )
    made["components"]["schemas"] |= schemas["$defs"]
    for (path, method, status), model in _RARE.items():
        answer = made["paths"][path][method]["responses"][status]
        answer["content"] = {"application/json": {"schema": reference[model, "serialization"]}}


def _add_grid(made: dict[str, Any]) -> None:
    """Say that the grid is bytes, and refused to who does not ask for bytes."""
    answers = made["paths"]["/api/v1/jobs/{job_id}/grid"]["get"]["responses"]
    answers["200"]["content"] = {OCTETS: {"schema": {"type": "string", "format": "binary"}}}
    answers["406"] = _problem(406)


def _operation(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    """Return an operation with its security and the problems that it may answer."""
    (tag,) = operation["tags"]
    operation["security"] = security = _SECURITY[tag]
    answers = {k: v for k, v in operation["responses"].items() if k != "422"}
    if security:
        answers |= {str(code): _problem(code) for code in _codes(tag, path, method)}
    if operation["operationId"] in _TAGGED:
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
