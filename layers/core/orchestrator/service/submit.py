"""Submit a job: idempotency item, spec to S3, JOB row, execution. A crash anywhere is healed by a repeat."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from orchestrator.errors import IdempotencyConflict
from orchestrator.model.container import input_check
from orchestrator.model.items import Idem, Job, Role
from orchestrator.model.progress import Root
from orchestrator.model.states import JobState
from orchestrator.service.access import Caller, require
from orchestrator.service.commit import expiry
from orchestrator.service.inputs import manifest_key, parameters_key, spec_key
from orchestrator.service.limits import check_limits
from orchestrator.service.ports import Deps
from orchestrator.service.views import JobOut, job_view
from orchestrator.spec import SubmitJobIn, encode_json

FIRST_CHECK = timedelta(seconds=60)
_JSON = "application/json"


def hash_body(body: str) -> str:
    """Return the fingerprint of a request's body."""
    return hashlib.sha256(body.encode()).hexdigest()


def reserve_key(
    deps: Deps, caller: Caller, key: str, body: str, job_id: str, from_gen: int
) -> Idem:
    """Bind an Idempotency-Key to a job and a body; return what it stands for. Raises IdempotencyConflict."""
    name = hashlib.sha256(f"{caller.tenant}\n{key}".encode()).hexdigest()
    idem = deps.store.put_idem(
        Idem(
            key=name,
            job_id=job_id,
            body_hash=hash_body(body),
            from_gen=from_gen,
            expires_at=expiry(deps),
        )
    )
    if idem.body_hash != hash_body(body):
        raise IdempotencyConflict(
            "this Idempotency-Key was used for another request",
            action="Send the same body again, or use a new key for a new request.",
        )
    return idem


def submit_job(
    deps: Deps,
    caller: Caller,
    submission: SubmitJobIn,
    *,
    idempotency_key: str | None,
    request_id: str,
) -> tuple[JobOut, bool]:
    """Create a job and start its machine; the bool tells whether this call created it.

    Raises Forbidden, IdempotencyConflict, InvalidField (a manifest or a prefix that cannot be planned, a
    job above a limit), QuotaExceeded.
    """
    require(caller, Role.SUBMITTER)
    job_id, body = deps.new_id(), submission.model_dump_json()
    if idempotency_key is not None:
        job_id = reserve_key(deps, caller, idempotency_key, body, job_id, from_gen=0).job_id
        found = deps.store.get_job_and_root(job_id)
        if found is not None:
            deps.machine.start(job_id, found[0].gen, found[0].exec)
            return job_view(*found, deps.now()), False
    check_limits(deps, caller.tenant, submission.tasks.total)
    _check_source(deps, caller, submission, job_id)
    deps.data.put(spec_key(job_id), body.encode(), _JSON)
    deps.data.put(parameters_key(job_id), encode_json(submission.parameters), _JSON)
    job = _new_job(deps, caller, submission, job_id, request_id)
    created = deps.store.put_job(job)
    deps.journal.event(
        "job.submitted",
        job_id=job_id,
        tenant=caller.tenant,
        handler=job.handler,
        total=job.total,
        request_id=request_id,
    )
    deps.journal.count("JobsSubmitted")
    deps.machine.start(job_id, 1, 1)
    return job_view(job, Root(), deps.now()), created


def _check_source(deps: Deps, caller: Caller, submission: SubmitJobIn, job_id: str) -> None:
    """Refuse what the plan would reject as far as a look at it tells; keep which content was meant."""
    tasks = submission.tasks
    if tasks.prefix is not None:
        from orchestrator.service.inventory import check_prefix  # For few submissions.

        check_prefix(deps, caller, tasks.prefix)
    if tasks.manifest is not None:
        from orchestrator.service.manifest import check_manifest

        fault_of = input_check(submission.handler, submission.parameters)
        ref = check_manifest(deps, caller, tasks.manifest, fault_of)
        deps.data.put(manifest_key(job_id), ref.model_dump_json().encode(), _JSON)


def _new_job(
    deps: Deps, caller: Caller, submission: SubmitJobIn, job_id: str, request_id: str
) -> Job:
    now, limit = deps.now(), submission.deadline_seconds
    return Job(
        job_id=job_id,
        tenant=caller.tenant,
        name=submission.name,
        handler=submission.handler,
        state=JobState.CREATED,
        total=submission.tasks.total,
        policy=submission.policy().model_dump_json(exclude_defaults=True),
        max_running=submission.max_running,
        priority=submission.priority,
        created_by=caller.key_id,
        request_id=request_id,
        created_at=now,
        expires_at=expiry(deps),
        tags=submission.tags,
        deadline_at=now + timedelta(seconds=limit) if limit is not None else None,
        next_check_at=now + FIRST_CHECK,
    )
