"""The routes of workers, over the real use cases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from create_tasks.app import handler as create_tasks
from enqueue_tasks.app import handler as enqueue_tasks
from monitor_job.app import handler as monitor_job
from orchestrator.model.items import Role
from orchestrator.service.access import Caller
from orchestrator.service.submit import submit_job
from orchestrator.spec import SubmitJobIn
from plan_tasks.app import handler as plan_tasks
from tests.fakes.world import World
from work_api.app import handler
from work_api.routes import worker_name

from .conftest import CallJournal, Context, Edit, load

RECORDED_JOB = "01JD8Z0K3V5N7Q9R1T3W5Y7Z9B"


@pytest.fixture
def job_id(world: World, context: Context) -> str:
    """Return a job of three tasks whose machine waits for its workers."""
    submission = SubmitJobIn.model_validate(load("specs/items"))
    caller = Caller("acme", Role.SUBMITTER, "key")
    job, _ = submit_job(world.deps, caller, submission, idempotency_key=None, request_id="r-1")
    step = {**load("plan_tasks/step"), "job_id": job.job_id}
    plan_tasks(step, context)
    create_tasks(step | {"node": 0}, context)
    enqueue_tasks(step, context)
    monitor_job(step | {"token": "a token"}, context)
    return job.job_id


@pytest.fixture
def work(rest: Edit, job_id: str, context: Context) -> Any:
    """Return a caller of a work route by the name of its recorded event, which is made of the job."""

    def call(name: str, **change: object) -> tuple[int, Any]:
        body = load(f"work_api/{name}")["body"].replace(RECORDED_JOB, job_id)
        path = {"task_id": f"{job_id}-0"} if name == "complete_one" else {}
        event = rest(f"work_api/{name}", body=json.loads(body) | change, **path)
        answer = handler(event, context)
        return answer["statusCode"], json.loads(answer["body"])

    return call


def test_a_claim_tells_the_job_and_splits_a_redelivered_range(
    world: World, job_id: str, work: Any
) -> None:
    world.queue.take()
    status, answer = work("claim")
    assert status == 200
    assert answer["jobs"][job_id]["state"] == "PROCESSING"
    assert answer["jobs"][job_id]["tenant"] == "acme"
    assert list(answer["messages"].values()) == ["drop"]
    assert len(world.queue.sent) == 3


def test_reports_are_committed_once(work: Any) -> None:
    assert work("complete") == (
        200,
        {"reports": ["committed", "committed"], "unstarted": {}},
    )
    status, again = work("complete")
    assert (status, again["reports"]) == (200, ["committed", "committed"])


def test_a_single_report_is_the_batch_s_and_names_who_signed(
    world: World, job_id: str, work: Any
) -> None:
    assert work("complete_one") == (200, {"status": "committed"})
    row = world.store.get_tasks(job_id, [0])[0]
    assert row.last is not None
    assert row.last.worker == "worker-0"
    assert work("complete_one", run_id="another-run") == (200, {"status": "duplicate"})


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:aws:sts::123456789012:assumed-role/worker/i-0abc", "i-0abc"),
        ("arn:aws:iam::123456789012:user/people/ann@example.org", "ann-example.org"),
        ("arn:aws:iam::123456789012:root", "root"),
        ("x" * 200, "x" * 100),
        ("", "unknown"),
    ],
)
def test_any_identity_makes_a_worker_s_name(arn: str, name: str) -> None:
    assert worker_name(arn) == name


def test_a_heartbeat_carries_a_cancel_to_the_worker(
    world: World, job_id: str, work: Any, rest: Edit, context: Context
) -> None:
    status, answer = work("heartbeat")
    assert (status, answer["jobs"][job_id]["state"]) == (200, "PROCESSING")
    from jobs_api.app import handler as jobs_api

    jobs_api(rest("jobs_api/cancel_job", job_id=job_id), context)
    assert work("heartbeat")[1]["jobs"][job_id] == {"gen": 1, "state": "STOPPING"}


def test_the_last_report_wakes_the_machine(world: World, job_id: str, work: Any) -> None:
    report = json.loads(load("work_api/complete")["body"])["reports"][0]
    reports = [report | {"job": job_id, "index": index} for index in range(3)]
    work("complete", reports=reports)
    assert world.machine.outputs == {"a token": {"stopping": False, "superseded": False}}


def test_every_line_has_the_request_and_the_task(
    job_id: str, work: Any, journal: CallJournal, context: Context
) -> None:
    work("complete_one")
    line = journal.lines[-1]
    expected = {"message": "request.answered", "job_id": job_id, "task_id": f"{job_id}-0"}
    assert expected.items() <= line.items()
    assert line["function_request_id"] == context.aws_request_id
