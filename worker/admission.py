"""Which received messages are run: the steps between the queue and the slots.

Each step passes on the messages that go on and deals with the rest itself: read, handler known,
claim, judge. A redelivered single task may have killed its worker: it is set apart, unclaimed, to run
alone, so that it takes no others along and none of them is blamed for it. A container cannot: it is asked
about without a start, whatever the delivery, and needs no slot.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from orchestrator.errors import cut
from orchestrator.model.lanes import Lane
from orchestrator.model.wire import ClaimIn, ClaimMessage, ClaimOut, Run, TaskMessage
from worker.backoff import Backoff, growing_seconds
from worker.held import Held
from worker.jobs import Jobs, Verdict, judge
from worker.leases import Leases
from worker.log import Log
from worker.ports import ApiRefused, Received, Unavailable, WorkApi
from worker.reporter import Reporter

_MINUTE = 60.0
_SOON = 5.0
_HIDDEN_MAX_SECONDS = 900.0
_NAMES_MAX = 50
_PROBLEMS_SHOWN = 5
_NOTHING = ClaimOut(jobs={}, messages={})


@dataclass(frozen=True, slots=True)
class Admitted:
    """Messages to be run, and those to be run each by itself (after `claim_alone`)."""

    run: list[Held]
    alone: list[Held]


class Admission:
    """Safe to use from all threads."""

    def __init__(
        self,
        *,
        worker_id: str,
        api: WorkApi,
        jobs: Jobs,
        leases: Leases,
        reporter: Reporter,
        log: Log,
        stopping: threading.Event,
        take_container: Callable[[Held], None] | None = None,
    ) -> None:
        self._worker_id = worker_id
        self._api = api
        self._jobs = jobs
        self._leases = leases
        self._reporter = reporter
        self._log = log
        self._stopping = stopping
        self._take_container = take_container
        self._names_lock = threading.Lock()
        self._unknown: dict[str, None] = {}
        self._malformed: dict[str, None] = {}
        self.handlers: frozenset[str] = frozenset()

    @property
    def unknown_handlers(self) -> list[str]:
        """Names of handlers that messages asked for and this worker does not have."""
        return list(self._unknown)

    def admit(
        self, received: Iterable[Received], received_at: float, lane: Lane = Lane.ORDINARY
    ) -> Admitted:
        """Decide about each message; all but those returned are dealt with, containers among them."""
        messages = [held for each in received if (held := self._read(each, received_at, lane))]
        messages = [held for held in messages if self._has_handler(held)]
        singles = {held for held in messages if held.redelivered and len(held.unsettled) == 1}
        containers = {held for held in messages if self._is_container(held)}
        to_run = self._claimed(messages, waiting=singles | containers)
        for held in to_run:
            if held in containers and self._take_container is not None:
                self._take_container(held)
        to_run = [held for held in to_run if held not in containers]
        alone = [held for held in to_run if held.redelivered]
        return Admitted(
            run=[held for held in to_run if not held.redelivered],
            alone=sorted(alone, key=lambda held: not held.claimed),
        )

    def claim_alone(self, held: Held) -> bool:
        """Claim a message now that nothing else is held; tell whether it is to be run."""
        return held.claimed or bool(self._claimed([held]))

    def postpone(self, held: Held) -> None:
        """Put back an unclaimed message that could not be run alone so far; uncounted."""
        seconds = growing_seconds(held.received.receive_count - 1, _SOON, _HIDDEN_MAX_SECONDS)
        self._leases.put_back(held, seconds, "to run alone, but this worker is busy")

    def _read(self, received: Received, received_at: float, lane: Lane) -> Held | None:
        if self._leases.take_over(received, received_at):
            return None
        try:
            message = TaskMessage.model_validate_json(received.body)
        except ValidationError as error:
            self._malformed_once(received, error)
            return None
        held = Held(
            received=received,
            message=message,
            renewed_at=received_at,
            unsettled=set(message.tasks()),
            lane=lane,
            info=self._jobs.get(message.job),
        )
        self._leases.hold(held)
        return held

    def _malformed_once(self, received: Received, error: ValidationError) -> None:
        """A malformed message is left to reach the dead-letter queue, logged once without its content."""
        if received.message_id not in self._malformed:
            self._remember(self._malformed, received.message_id)
            rules = {
                (_field(each["loc"]), each["type"]) for each in error.errors(include_url=False)
            }
            problems = [": ".join(rule) for rule in sorted(rules)[:_PROBLEMS_SHOWN]]
            self._log.error(
                "malformed",
                message_id=received.message_id,
                receive_count=received.receive_count,
                chars=len(received.body),
                problems=problems,
            )

    def _is_container(self, held: Held) -> bool:
        return self._take_container is not None and not held.in_slot

    def _has_handler(self, held: Held) -> bool:
        name = held.message.handler
        if name in self.handlers:
            return True
        self._remember(self._unknown, cut(name))
        seconds = growing_seconds(held.received.receive_count, _MINUTE, _HIDDEN_MAX_SECONDS)
        self._leases.put_back(held, seconds, f"this worker has no handler {cut(name)!r}")
        return False

    def _claimed(self, messages: list[Held], waiting: Collection[Held] = frozenset()) -> list[Held]:
        """Ask about those that need it; return those that are to be run.

        Those `waiting` to run alone are asked about without a start: what is settled need not wait.
        """
        asked = [held for held in messages if held.must_claim or self._jobs.must_ask(held.message)]
        answer = self._claim(asked, waiting) if asked else _NOTHING
        if answer is None:
            for held in asked:
                self._leave(held, "its claim was not answered")
            messages, answer = [held for held in messages if held not in asked], _NOTHING
        return [held for held in messages if self._is_to_run(held, answer, held not in waiting)]

    def _claim(self, asked: list[Held], waiting: Collection[Held]) -> ClaimOut | None:
        """Claim, for as long as it takes and any of the messages is ours; None: without an answer."""
        backoff = Backoff()
        while still := [held for held in asked if self._leases.ours(held)]:
            try:
                answer = self._api.claim(self._question(still, waiting))
            except Unavailable as error:
                self._log.warning("claim_failed", messages=len(still), reason=str(error))
                if self._stopping.wait(backoff.next_seconds()):
                    return None
            except ApiRefused as error:
                self._log.error("claim_refused", messages=len(still), reason=str(error))
                return None
            else:
                self._jobs.learn(answer.jobs)
                return answer
        return None

    def _question(self, asked: list[Held], waiting: Collection[Held]) -> ClaimIn:
        return ClaimIn(
            worker_id=self._worker_id,
            jobs=sorted({held.message.job for held in asked}),
            messages=[
                _claim_message(held, begins=held.redelivered and held not in waiting)
                for held in asked
                if held.must_claim
            ],
        )

    def _is_to_run(self, held: Held, answer: ClaimOut, begins: bool) -> bool:
        held.info = self._jobs.get(held.message.job)
        told = answer.messages.get(held.received.message_id)
        verdict = Verdict.DROP if told == "drop" else judge(held.message, held.info)
        if not self._leases.ours(held):
            self._leases.release(held)
        elif verdict is Verdict.DROP:
            self._reporter.drop(held, sorted(held.unsettled))
        elif verdict is Verdict.UNKNOWN or (held.must_claim and told is None):
            self._leave(held, "its job is not known")
        else:
            if isinstance(told, Run):
                held.unsettled.intersection_update(told.run)
                held.claimed = begins
            return True
        return False

    def _remember(self, names: dict[str, None], name: str) -> None:
        """Keep the newest few, each once."""
        with self._names_lock:
            names.pop(name, None)
            names[name] = None
            while len(names) > _NAMES_MAX:
                del names[next(iter(names))]

    def _leave(self, held: Held, reason: str) -> None:
        seconds = growing_seconds(held.received.receive_count, _SOON, _HIDDEN_MAX_SECONDS)
        self._leases.put_back(held, seconds, reason)


def _claim_message(held: Held, *, begins: bool) -> ClaimMessage:
    message = held.message
    return ClaimMessage(
        message_id=held.received.message_id,
        receive_count=held.received.receive_count,
        job=message.job,
        gen=message.gen,
        attempt=message.attempt,
        start=message.start,
        stop=message.stop,
        indexes=message.indexes,
        begins=begins,
        hold=message.hold,
    )


def _field(location: tuple[int | str, ...]) -> str:
    """Return the message's field at fault; what is not a field of ours may be a secret."""
    name = location[0] if location else None
    return str(name) if name in TaskMessage.model_fields else "message"
