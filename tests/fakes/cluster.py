"""A whole job on fakes: the machine's steps in order, and workers that take messages and report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.model.items import Job, Role
from orchestrator.model.states import Outcome
from orchestrator.model.wire import CompleteIn, Report, ReportStatus, TaskError, TaskMessage
from orchestrator.service.access import Caller
from orchestrator.service.control import retry_job
from orchestrator.service.create import create_tasks
from orchestrator.service.enqueue import enqueue_tasks
from orchestrator.service.finish import finish_last, finish_node, list_nodes
from orchestrator.service.monitor import monitor_job
from orchestrator.service.plan import plan_tasks
from orchestrator.service.report import complete
from orchestrator.service.submit import submit_job
from orchestrator.service.views import JobOut
from orchestrator.spec import RetryJobIn, SubmitJobIn
from tests.fakes.world import World

ALICE = Caller("acme", Role.ADMIN, "alice")
Handler = Callable[[int, int], Outcome]


def succeed(index: int, attempt: int) -> Outcome:
    """Let every task succeed."""
    return Outcome.SUCCEEDED


def submission(**changes: object) -> SubmitJobIn:
    """Return a submission of ten tasks, changed as told."""
    body = {"name": "a job", "handler": "echo", "tasks": {"count": 10}, **changes}
    return SubmitJobIn.model_validate(body)


@dataclass
class Cluster:
    """Drives one job through its machine and its workers."""

    world: World = field(default_factory=World)
    job_id: str = ""
    gen: int = 1
    exec: int = 1

    def submit(self, **changes: object) -> JobOut:
        """Submit a job."""
        job, _ = submit_job(
            self.world.deps, ALICE, submission(**changes), idempotency_key=None, request_id="r-1"
        )
        self.job_id = job.job_id
        return job

    @property
    def job(self) -> Job:
        """Return the job as it stands in the table."""
        job = self.world.store.get_job(self.job_id)
        assert job is not None
        return job

    def retry(self, key: str | None = None, **body: object) -> Cluster:
        """Retry a job that has ended; return its next generation, not begun."""
        request = RetryJobIn.model_validate(body)
        deps = self.world.deps
        retry_job(deps, ALICE, self.job_id, request, idempotency_key=key, request_id="r")
        return Cluster(world=self.world, job_id=self.job_id, gen=self.job.gen)

    def begin(self) -> None:
        """Run the machine up to the waiting MonitorJob."""
        planned = plan_tasks(self.world.deps, self.job_id, self.gen, self.exec)
        for node in planned["nodes"]:
            create_tasks(self.world.deps, self.job_id, self.gen, self.exec, node)
        self.enqueue(in_machine=True)
        monitor_job(self.world.deps, self.job_id, self.gen, self.exec, self.token)

    @property
    def token(self) -> str:
        """Return the task token of this execution."""
        return f"token-{self.job_id}-{self.gen}-{self.exec}"

    @property
    def woken(self) -> bool:
        """Tell whether MonitorJob was answered."""
        return self.token in self.world.machine.outputs

    def enqueue(self, *, in_machine: bool = False) -> None:
        """Run EnqueueTasks."""
        enqueue_tasks(
            self.world.deps,
            self.job_id,
            self.gen,
            seconds_left=lambda: 60.0,
            in_machine=in_machine,
        )

    def messages(self) -> list[TaskMessage]:
        """Take what is in the queue."""
        return [TaskMessage.model_validate_json(m.body) for m in self.world.queue.take()]

    def work(self, handler: Handler = succeed) -> list[ReportStatus]:
        """Run all that is in the queue, also what is refilled and retried meanwhile."""
        statuses: list[ReportStatus] = []
        for _ in range(10_000):
            messages = self.messages()
            if not messages:
                return statuses
            for message in messages:
                self.world.wait(1)
                statuses += self.report(message, handler)
            enqueues, self.world.enqueues = self.world.enqueues, []
            for _job, _gen in enqueues[:1]:
                self.enqueue()
        raise AssertionError("the queue never ran dry")

    def report(self, message: TaskMessage, handler: Handler = succeed) -> list[ReportStatus]:
        """Report all tasks of one message."""
        reports = [
            report_of(message, index, handler(index, message.attempt)) for index in message.tasks()
        ]
        return complete(self.world.deps, CompleteIn(worker_id="w-1", reports=reports)).reports

    def end(self) -> str:
        """Run the machine's end; return the job's last state."""
        deps = self.world.deps
        parts = [
            finish_node(deps, self.job_id, self.gen, node)
            for node in list_nodes(deps, self.job_id, self.gen)["nodes"]
        ]
        return finish_last(deps, self.job_id, self.gen, parts)["state"]


def report_of(message: TaskMessage, index: int, outcome: Outcome, run: str = "run") -> Report:
    """Return the report of one task of a message."""
    failed = outcome is not Outcome.SUCCEEDED
    return Report(
        job=message.job,
        gen=message.gen,
        index=index,
        attempt=message.attempt,
        run_id=f"{run}-{index:07d}-{message.attempt}",
        outcome=outcome,
        result=None if failed else {"index": index},
        error=TaskError(type="Boom", message="it broke") if failed else None,
    )
