"""A control plane in memory: one committed report a task and attempt, as PROTOCOL says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.model.states import JobState
from orchestrator.model.wire import (
    ClaimIn,
    ClaimOut,
    CompleteIn,
    CompleteOut,
    GiveBackStatus,
    HeartbeatIn,
    HeartbeatOut,
    JobInfo,
    JobStatus,
    Report,
    ReportStatus,
    Run,
    Unstarted,
)
from worker.ports import ApiRefused, Unavailable


@dataclass
class FakeApi:
    """`jobs` are known; `verdicts` answer claims of messages; `faults` are raised by claims, once each.

    `wants_schemas`: heartbeats are asked for schemas until they bring some; `schemas_to_lose` are lost.
    """

    jobs: dict[str, JobInfo] = field(default_factory=dict)
    verdicts: dict[str, Run | Literal["drop"]] = field(default_factory=dict)
    invalid: set[int] = field(default_factory=set)
    poisonous: set[int] = field(default_factory=set)
    claims: list[ClaimIn] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    unstarted: list[Unstarted] = field(default_factory=list)
    heartbeats: list[HeartbeatIn] = field(default_factory=list)
    give_backs_to_fail: int = 0
    heartbeats_to_fail: int = 0
    wants_schemas: bool = False
    schemas_to_lose: int = 0
    faults: list[Exception] = field(default_factory=list)
    down: bool = False

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self.committed: dict[tuple[str, int, int], str] = {}

    def add_job(self, job_id: str, *, gen: int = 1, state: JobState = JobState.PROCESSING) -> None:
        """Make a job known, or change it."""
        self.jobs[job_id] = JobInfo(
            gen=gen, state=state, tenant="acme", request_id="req-1", parameters={"p": 1}
        )

    def claim(self, body: ClaimIn) -> ClaimOut:
        """Answer with the jobs and the prepared verdicts (else: run all, if one)."""
        self._check()
        if self.faults:
            raise self.faults.pop()
        with self._changed:
            self.claims.append(body)
            self._changed.notify_all()
        wanted = {*body.jobs, *(message.job for message in body.messages)}
        messages: dict[str, Run | Literal["drop"]] = {
            message.message_id: self.verdicts.get(message.message_id, Run(run=message.tasks()))
            for message in body.messages
        }
        known = {job_id: self.jobs[job_id] for job_id in wanted if job_id in self.jobs}
        return ClaimOut(jobs=known, messages=messages)

    def complete(self, body: CompleteIn) -> CompleteOut:
        """Commit the first run of each task and attempt."""
        self._check()
        with self._changed:
            if self.poisonous & {report.index for report in body.reports}:
                raise ApiRefused(400, "not a report")
            statuses = [self._status(report) for report in body.reports]
            self.reports += body.reports
            given = {item.message_id: self._give_back(item) for item in body.unstarted}
            self._changed.notify_all()
        return CompleteOut(reports=statuses, unstarted=given)

    def _status(self, report: Report) -> ReportStatus:
        if report.index in self.invalid and report.outcome != "bad_result":
            return "invalid"
        key = (report.job, report.index, report.attempt)
        committed = self.committed.setdefault(key, report.run_id)
        return "committed" if committed == report.run_id else "duplicate"

    def _give_back(self, item: Unstarted) -> GiveBackStatus:
        if self.give_backs_to_fail:
            self.give_backs_to_fail -= 1
            return "failed"
        self.unstarted.append(item)
        return "given"

    def heartbeat(self, worker_id: str, body: HeartbeatIn) -> HeartbeatOut:
        """Answer with the states of the jobs that run or were touched."""
        self._check()
        if self.heartbeats_to_fail:
            self.heartbeats_to_fail -= 1
            raise Unavailable("503: try later")
        if body.schemas is not None and self.schemas_to_lose:
            self.schemas_to_lose -= 1
            raise Unavailable("503: try later")
        with self._changed:
            self.heartbeats.append(body)
            self.wants_schemas = self.wants_schemas and body.schemas is None
            self._changed.notify_all()
        wanted = {*(task.job for task in body.running), *body.touched}
        return HeartbeatOut(
            jobs={
                job_id: JobStatus(gen=self.jobs[job_id].gen, state=self.jobs[job_id].state)
                for job_id in wanted
            },
            schemas_wanted=self.wants_schemas,
        )

    def wait_for(self, seen: Callable[[], bool]) -> None:
        """Wait until something was told."""
        with self._changed:
            assert self._changed.wait_for(seen, 20), "it was not told in time"

    def _check(self) -> None:
        if self.down:
            raise Unavailable("the API is down")
