"""What the sweep and the dead letters mend, and the limits that the emulator does not enforce."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.conftest import ANSWER_MAX_BYTES, Deployed, secret_of

pytestmark = pytest.mark.stack


def invoke(deployed: Deployed, function: str, event: dict[str, Any]) -> Any:
    """Invoke a function as its trigger would."""
    answer = deployed.client("lambda").invoke(
        FunctionName=deployed.stack.functions[function], Payload=json.dumps(event).encode()
    )
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload


def executions(deployed: Deployed, job_id: str) -> list[Any]:
    """List the executions of a job."""
    listed = (
        deployed.client("stepfunctions")
        .get_paginator("list_executions")
        .paginate(stateMachineArn=deployed.stack.state_machine_arn)
    )
    return [e for page in listed for e in page["executions"] if e["name"].startswith(job_id)]


def test_a_job_whose_execution_is_stopped_goes_on(deployed: Deployed) -> None:
    job_id = deployed.submit("sleep", {"items": [{"seconds": 3}] * 8}, tasks_per_message=1)
    deployed.until(lambda: deployed.job(job_id)["state"] == "PROCESSING")
    (first,) = executions(deployed, job_id)
    deployed.client("stepfunctions").stop_execution(executionArn=first["executionArn"])
    job = deployed.finish(job_id)
    assert (job["state"], job["counts"]["succeeded"]) == ("SUCCEEDED", 8)
    assert {e["name"] for e in executions(deployed, job_id)} == {f"{job_id}-1-1", f"{job_id}-1-2"}


def test_the_sweep_runs_and_says_so(deployed: Deployed) -> None:
    invoke(deployed, "sweep", {"source": "aws.events", "detail-type": "Scheduled Event"})
    events = [line for line in deployed.logs() if line.get("message") == "sweep.finished"]
    assert events


def test_a_dead_letter_that_cannot_be_read_is_kept(deployed: Deployed) -> None:
    sqs, s3 = deployed.client("sqs"), deployed.client("s3")
    url = deployed.stack.queues["dead_letters"]
    message_id = sqs.send_message(QueueUrl=url, MessageBody="nonsense")["MessageId"]
    bucket = deployed.stack.buckets["results"]

    def kept() -> bytes | None:
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"dead-letters/{message_id}")
        if not found.get("Contents"):
            return None
        body: bytes = s3.get_object(Bucket=bucket, Key=f"dead-letters/{message_id}")["Body"].read()
        return body

    assert deployed.until(kept) == b"nonsense"


def test_a_dead_letter_s_task_ends_failed_and_its_job_goes_on(deployed: Deployed) -> None:
    job_id = deployed.submit("e2e.until_cancelled", {"count": 1})
    deployed.until(lambda: deployed.job(job_id)["counts"]["running"])
    message = {
        "v": 1,
        "job": job_id,
        "gen": 1,
        "attempt": 1,
        "start": 0,
        "stop": 1,
        "handler": "e2e.until_cancelled",
        "timeout_seconds": 900,
    }
    deployed.client("sqs").send_message(
        QueueUrl=deployed.stack.queues["dead_letters"], MessageBody=json.dumps(message)
    )
    job = deployed.finish(job_id)
    assert (job["state"], job["counts"]["failed"]) == ("FAILED", 1)
    task = deployed.call("GET", f"/api/v1/tasks/{job_id}-0")
    assert task["error"]["type"] == "DeadLetter"


def test_one_grep_for_a_job_tells_its_story(deployed: Deployed) -> None:
    job_id = deployed.submit("e2e.odd", {"count": 3})
    deployed.finish(job_id)

    def story() -> set[str]:
        lines = [line for line in deployed.logs() if job_id in json.dumps(line)]
        return {str(line.get("message") or line.get("event")) for line in lines}

    wanted = {
        "job.submitted",
        "job.planned",
        "node.created",
        "tasks.enqueued",
        "job.monitored",
        "received",
        "ran",
        "reports.settled",
        "task.reported",
        "job.woken",
        "node.finished",
        "job.finished",
    }
    deployed.until(lambda: wanted <= story())


def test_no_secret_is_logged(deployed: Deployed) -> None:
    assert secret_of(deployed.stack.api_key) not in json.dumps(deployed.logs())


def test_limits_that_only_aws_enforces_are_kept(deployed: Deployed) -> None:
    """Runs last in the file: over all jobs of the session, answers, payloads and histories are small."""
    assert deployed.largest_answer < ANSWER_MAX_BYTES
    states = deployed.client("stepfunctions")
    for job_id in deployed.jobs:
        for execution in executions(deployed, job_id):
            history = states.get_execution_history(
                executionArn=execution["executionArn"], maxResults=1000
            )["events"]
            assert len(history) < 500
            assert all(len(json.dumps(event, default=str)) < 200_000 for event in history)


def test_no_function_failed(deployed: Deployed) -> None:
    """Runs last in the file: no 5xx, no exception left a function in the whole session."""
    failures = [line for line in deployed.logs() if line.get("level") == "ERROR"]
    assert failures == []
