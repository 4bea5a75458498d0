"""The Lambda handler around a resolver: one log line a request, metrics, a body that is text."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from orchestrator import runtime
from orchestrator.errors import Problem
from orchestrator.model.ids import is_job_id, parse_task_id
from orchestrator.runtime import CallContext
from rest.body import decode_body
from rest.problems import answer_problem

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What leaves the handler is logged once, by `runtime.call`, as JSON.
logging.getLogger("aws_lambda_powertools.event_handler").setLevel(logging.CRITICAL)

type Handler = Callable[[dict[str, Any], CallContext], dict[str, Any]]


def rest_handler(app: APIGatewayRestResolver) -> Handler:
    """Return the Lambda handler of `app`. What is no `Problem` leaves it, so that alarms see it."""

    def handler(event: dict[str, Any], context: CallContext) -> dict[str, Any]:
        begun, cpu = time.monotonic(), time.process_time()
        with runtime.call(context, **_keys(event)) as journal:
            answer = _resolve(app, event, context)
            journal.event(
                "request.answered",
                method=event["httpMethod"],
                route=event.get("resource"),
                status=answer["statusCode"],
                seconds=round(time.monotonic() - begun, 4),
                cpu_seconds=round(time.process_time() - cpu, 5),
            )
        return answer

    gc.freeze()  # What is loaded by now stays: no collection need look at it during a request.
    return handler


def _resolve(
    app: APIGatewayRestResolver, event: dict[str, Any], context: CallContext
) -> dict[str, Any]:
    try:
        return app.resolve(as_json_request(event), cast("LambdaContext", context))
    except Problem as problem:
        answer = answer_problem(problem, event["requestContext"].get("requestId", ""))
        return {
            "statusCode": answer.status_code,
            "headers": answer.headers,
            "body": answer.body,
            "isBase64Encoded": False,
        }


def as_json_request(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with its body as text, to be read as JSON whatever its Content-Type says.

    `curl -d` names a form; what the body is, its parser tells better than its label.
    """
    if not event.get("body"):
        return event
    text = decode_body(event["body"], is_base64=bool(event.get("isBase64Encoded")))
    return {
        **event,
        "body": text,
        "isBase64Encoded": False,
        "headers": _json_type(event.get("headers"), "application/json"),
        "multiValueHeaders": _json_type(event.get("multiValueHeaders"), ["application/json"]),
    }


def _json_type(headers: Mapping[str, Any] | None, value: object) -> dict[str, Any]:
    kept = {name: v for name, v in (headers or {}).items() if name.lower() != "content-type"}
    return {**kept, "content-type": value}


def _keys(event: Mapping[str, Any]) -> dict[str, object]:
    """Return what every log line of the request carries."""
    context = event["requestContext"]
    caller, path = context.get("authorizer") or {}, event.get("pathParameters") or {}
    task = parse_task_id(path.get("task_id", ""))
    job_id = task.job_id if task is not None else path.get("job_id", "")
    return {
        "request_id": context.get("requestId"),
        "tenant": caller.get("tenant"),
        "key_id": caller.get("key_id"),
        "job_id": job_id if is_job_id(job_id) else None,
        "task_id": path["task_id"] if task is not None else None,
    }
