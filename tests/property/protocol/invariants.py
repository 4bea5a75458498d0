"""What holds after every step, and what holds at the end."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from orchestrator.model.ids import leaf_of, offset_of
from orchestrator.model.items import Job, TaskRow
from orchestrator.model.progress import Leaf, Root
from orchestrator.model.states import JobState, Outcome, StopReason, TaskState
from orchestrator.model.wire import Report
from orchestrator.policy import Policy
from orchestrator.service.finish import Manifest
from orchestrator.service.read import read_job
from tests.fakes.cluster import ALICE
from tests.property.protocol.outside import Envelope, Outside
from tests.property.protocol.workers import Workers

_SET_ASIDE = ("Failed(", "SendFailed(")
_ENDED = (TaskState.SUCCEEDED, TaskState.FAILED)


@dataclass(frozen=True)
class Frozen:
    """A final job, as nothing may change it but a retry."""

    job: Job
    leaves: dict[int, Leaf]
    root: Root
    committed: dict[int, TaskRow]


class Watch:
    """Looks at the tables after every step."""

    def __init__(self, outside: Outside, workers: Workers) -> None:
        self._outside, self._workers = outside, workers
        self._tables = outside.checked.tables
        self._frozen: Frozen | None = None
        self._packed: dict[int, int] = {}
        self._events = 0
        self._unkeyed = 0
        self._dead: set[tuple[int, int]] = set()

    def retry_asked(self, key: str | None) -> None:
        """Remember a retry; with a key, any number of them is one."""
        self._unkeyed += key is None

    def dead_lettered(self, envelope: Envelope) -> None:
        """Remember that SQS gave these tasks up."""
        body = envelope.body
        self._dead.update((index, body.attempt) for index in body.tasks())

    @property
    def job(self) -> Job | None:
        """Return the job as it is in the table."""
        return next(iter(self._tables.jobs.values()), None)

    def leaves(self) -> dict[int, Leaf]:
        """Return the leaves by number."""
        return {number: leaf for (_, number), leaf in sorted(self._tables.leaves.items())}

    def check(self) -> None:
        """Check all that holds at any time."""
        assert self._outside.checked.violations == []
        assert all(len(lanes) == 1 for lanes in self._outside.sqs.lanes.values())
        self._check_errors()
        job = self.job
        if job is None:
            return
        assert len(self._tables.jobs) == 1, "one Idempotency-Key made two jobs"
        self._check_counts(job)
        self._check_root(job)
        self._check_gens(job)
        self._check_frozen(job)
        self._check_window(job)

    def _check_errors(self) -> None:
        """The sweep sets aside what fails; only what was told to fail may."""
        events = self._outside.journal.events
        for name, fields in events[self._events :]:
            if name == "sweep.set_aside":
                assert str(fields["error"]).startswith(_SET_ASIDE), fields
        self._events = len(events)

    def _check_counts(self, job: Job) -> None:
        counts = read_job(self._outside.deps, ALICE, job.job_id).counts.model_dump()
        assert sum(counts.values()) == job.total
        assert min(counts.values()) >= 0
        ok = sum(len(leaf.ok) for leaf in self.leaves().values())
        assert counts["succeeded"] <= ok, "more are counted than have succeeded"

    def _check_root(self, job: Job) -> None:
        nodes = self._outside.checked.get_root(job.job_id).nodes
        assert all(nodes[number] >= packed for number, packed in self._packed.items())
        self._packed = dict(nodes)

    def _check_gens(self, job: Job) -> None:
        keys = sum(idem.from_gen > 0 for idem in self._tables.idems.values())
        assert job.gen - 1 <= keys + self._unkeyed, "a repeated retry was two"

    def _check_frozen(self, job: Job) -> None:
        if not job.state.final:
            self._frozen = None
            return
        root = self._outside.checked.get_root(job.job_id)
        tally = {number: unpacked % 10**25 for number, unpacked in root.nodes.items()}
        now = Frozen(job, self.leaves(), Root(nodes=tally), self._committed(job))
        if self._frozen is None:
            self._frozen = now
            self.check_final(job)
        was = self._frozen
        assert (now.job, now.leaves, now.root) == (was.job, was.leaves, was.root), "it changed"
        assert now.committed.items() <= was.committed.items(), "a final job's row changed"

    def _committed(self, job: Job) -> dict[int, TaskRow]:
        rows = {index: row for (_, index), row in self._tables.tasks.items()}
        leaves = self.leaves()
        states = {index: leaves[leaf_of(index)].state(offset_of(index)) for index in rows}
        return {
            index: row
            for index, row in rows.items()
            if states[index] in _ENDED and not self._chosen_but_not_reopened(job, row)
        }

    def _check_window(self, job: Job) -> None:
        """max_running is a true cap on what is out, and nothing beyond the cursor is."""
        if job.gen > 1:
            return
        out = {i for each in self._outside.sqs.envelopes for i in each.body.tasks()}
        assert all(index < job.cursor for index in out), "a task beyond the cursor was sent"
        ended = sum(len(leaf.finals) for leaf in self.leaves().values())
        assert job.max_running is None or job.cursor - ended <= job.max_running

    def check_final(self, job: Job) -> None:
        """Check a job that has just ended: every leaf closed, counts = sets = total, results right."""
        leaves, total = self.leaves(), job.total or 0
        assert set(leaves) == {leaf_of(index) for index in range(total)}
        for leaf in leaves.values():
            assert (leaf.closed, leaf.gen) == ("done", job.gen), leaf
        states = [leaves[leaf_of(index)].state(offset_of(index)) for index in range(total)]
        counts = read_job(self._outside.deps, ALICE, job.job_id).counts
        shown = {state: getattr(counts, state.lower()) for state in TaskState}
        assert shown == {state: states.count(state) for state in TaskState}
        for index, state in enumerate(states):
            self._check_task(job, index, state)
        self._check_job_state(job, states)
        self.check_results(job)

    def _check_task(self, job: Job, index: int, state: TaskState) -> None:
        row = self._tables.tasks.get((job.job_id, index))
        if state in _ENDED:
            assert row is not None
            if self._chosen_but_not_reopened(job, row):
                return
            assert row.state is state
            assert row.last is not None
            if row.last.outcome is Outcome.WORKER_LOST:
                limit = Policy.load(job.policy).retry.max_worker_losses
                starts = len(self._outside.checked.starts.get(index, set()))
                assert (index, row.last.attempt) in self._dead or starts >= limit
            else:
                run = next(r for r in self._workers.reports if r.run_id == row.last.run_id)
                self._check_run(job, row, run)
        else:
            assert state in (TaskState.CANCELLED, TaskState.SKIPPED)
            reasons = self._outside.checked.stops
            cancelled = StopReason.CANCEL in reasons
            other = bool(reasons - {StopReason.CANCEL})
            assert cancelled if state is TaskState.CANCELLED else other

    def _chosen_but_not_reopened(self, job: Job, row: TaskRow) -> bool:
        """A stop came between a chosen task's row and its leaf: the set stays as it was, and wins."""
        leaf = self.leaves()[leaf_of(row.index)]
        stopped = job.stop is not None and row.gen == job.gen and row.last is None
        return stopped and offset_of(row.index) in leaf.failed and bool(row.history)

    def _check_run(self, job: Job, row: TaskRow, run: Report) -> None:
        """A row says what the run that it names has reported, and failed only without another try."""
        assert row.last is not None
        assert (run.index, run.attempt, run.outcome) == (
            row.index,
            row.last.attempt,
            row.last.outcome,
        )
        if row.state is TaskState.SUCCEEDED:
            assert run.outcome is Outcome.SUCCEEDED
            assert json.loads(row.result or "null") == run.result
            return
        retry, spent = Policy.load(job.policy).retry, row.budgets
        over = spent.user >= retry.max_attempts or spent.timeouts >= retry.max_timeouts
        hopeless = run.outcome is Outcome.BAD_RESULT or (
            run.error is not None and not run.error.retryable
        )
        assert over or hopeless or job.deadline_at is not None

    def _check_job_state(self, job: Job, states: list[TaskState]) -> None:
        tolerated = Policy.load(job.policy).tolerated_failures
        unrun = {TaskState.CANCELLED, TaskState.SKIPPED} & set(states)
        if unrun:
            by_cancel = job.stop is not None and job.stop.reason is StopReason.CANCEL
            assert job.state is (JobState.CANCELLED if by_cancel else JobState.FAILED)
        else:
            failed = tolerated.exceeded(states.count(TaskState.FAILED), len(states))
            assert job.state is (JobState.FAILED if failed else JobState.SUCCEEDED)

    def check_results(self, job: Job) -> None:
        """Check that the manifest names parts that are as it says, with a line a task."""
        assert job.results_ref is not None
        manifest = Manifest.model_validate_json(self._outside.results.bodies[job.results_ref])
        lines = []
        for part in manifest.parts:
            body = self._outside.results.bodies[part.key]
            assert hashlib.sha256(body).hexdigest() == part.sha256, "a part is not its manifest's"
            lines += [json.loads(line) for line in body.splitlines()]
        leaves = self.leaves()
        assert [line["index"] for line in lines] == list(range(job.total or 0))
        for line in lines:
            index = line["index"]
            assert line["state"] == leaves[leaf_of(index)].state(offset_of(index))
            if line["state"] == TaskState.SUCCEEDED:
                row = self._tables.tasks[job.job_id, index]
                assert line["result"] == json.loads(row.result or "null")
