"""The world around the control plane: SQS that repeats and reorders, Step Functions, S3, asynchronous calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from orchestrator.errors import SendFailed
from orchestrator.model.lanes import Lane
from orchestrator.model.wire import TaskMessage
from orchestrator.service.ports import Deps, Limits, Outgoing
from tests.fakes.world import MemoryObjects, World
from tests.property.protocol.calls import gate
from tests.property.protocol.checked import CheckedStore, stepped

EXPRESS_TASKS = 4
"""Half of the jobs that are drawn."""


@dataclass
class Envelope:
    """A message as SQS keeps it. Deleted or not, it may be delivered again."""

    message_id: str
    body: TaskMessage
    receives: int = 0
    deleted: bool = False
    dead: bool = False


class Queue:
    """`Queue` that remembers all that was ever sent; it can be told to fail, in part too."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.failing: list[int] = []
        self.lanes: dict[tuple[str, int], set[Lane]] = {}
        """By job and generation."""

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Keep the messages; a send that is told to fail has kept the first few."""
        gate("send")
        kept = messages if not self.failing else messages[: self.failing.pop()]
        for message in kept:
            body = TaskMessage.model_validate_json(message.body)
            self.envelopes.append(Envelope(f"m{len(self.envelopes)}", body))
            self.lanes.setdefault((body.job, body.gen), set()).add(message.lane)
        if len(kept) < len(messages):
            raise SendFailed("the queue is told to fail")

    def redrive(self, envelope: Envelope) -> None:
        """Move a dead letter back, as an operator does: it is a new message."""
        envelope.deleted = True
        self.envelopes.append(Envelope(f"m{len(self.envelopes)}", envelope.body))

    @property
    def waiting(self) -> list[Envelope]:
        """Return what SQS will still deliver to workers."""
        return [each for each in self.envelopes if not (each.deleted or each.dead)]

    @property
    def dead(self) -> list[Envelope]:
        """Return what lies in the dead-letter queue."""
        return [each for each in self.envelopes if each.dead and not each.deleted]


@dataclass
class Execution:
    """One execution: its status, the step it is at, and what its steps have answered."""

    job_id: str
    gen: int
    exec: int
    status: str = "RUNNING"
    step: str = "plan"
    nodes: list[int] = field(default_factory=list)
    parts: dict[int, Mapping[str, object]] = field(default_factory=dict)
    monitors: int = 0
    waiting_since: datetime | None = None
    rounds: int = 0
    errors: int = 0
    stopped: bool = False

    @property
    def token(self) -> str:
        """Return the token of the newest MonitorJob of this execution."""
        return f"{self.gen}-{self.exec}-{self.monitors}"


class Machine:
    """`Machine`: executions by name, tokens that only a waiting execution takes, once."""

    def __init__(self) -> None:
        self.executions: dict[tuple[str, int, int], Execution] = {}
        self.ended: list[Execution] = []
        self.on_wake: Callable[[Execution, Mapping[str, object]], None] = lambda *_: None

    def start(self, job_id: str, gen: int, exec: int) -> None:
        """Start an execution once."""
        gate("start")
        key = (job_id, gen, exec)
        self.executions.setdefault(key, Execution(job_id, gen, exec))

    def status(self, job_id: str, gen: int, exec: int) -> str | None:
        """Return an execution's status."""
        gate("status")
        found = self.executions.get((job_id, gen, exec))
        return found.status if found else None

    def stop(self, job_id: str, gen: int, exec: int, cause: str) -> None:
        """Abort a running execution; its Lambdas run on."""
        gate("stop")
        self.end(self.executions[job_id, gen, exec], "ABORTED")

    def end(self, execution: Execution, status: str) -> None:
        """Give an execution its last status."""
        if execution.status == "RUNNING":
            execution.status = status
            if status in ("FAILED", "ABORTED", "TIMED_OUT"):
                self.ended.append(execution)

    def send_success(self, token: str, output: Mapping[str, object]) -> bool:
        """Wake the execution that waits with this very token."""
        gate("send_success")
        for execution in self.executions.values():
            waits = execution.status == "RUNNING" and execution.step == "wait"
            if waits and execution.token == token:
                self.on_wake(execution, output)
                return True
        return False


class SteppedObjects(MemoryObjects):
    """A bucket with a gate before each write."""

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object."""
        gate("put")
        super().put(key, body, content_type)


class Outside(World):
    """A control plane's surroundings in which every request has a gate before it."""

    def __init__(self) -> None:
        self.checked = CheckedStore()
        super().__init__(self.checked)
        self.outlived = False
        """Messages grew older than the queue keeps them."""
        self._draws = 0
        self.sqs, self.step_functions = Queue(), Machine()
        self.data, self.results = SteppedObjects(), SteppedObjects()
        self.deps: Deps = replace(
            self.deps,
            store=stepped(self.checked),
            data=self.data,
            results=self.results,
            queue=self.sqs,
            limits=Limits(express_tasks=EXPRESS_TASKS),
            machine=self.step_functions,
            enqueue_later=self._enqueue_later,
            random=self._random,
        )

    def _enqueue_later(self, job_id: str, gen: int) -> None:
        gate("enqueue_later")
        self.enqueues.append((job_id, gen))

    def _random(self) -> float:
        """Draw the jitter; no two draws are the same."""
        self._draws += 1
        return self.jitter + self._draws * 1e-5
