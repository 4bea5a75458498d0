"""Which received messages are run: the steps between the queue and the slots.

Each step passes on the messages that go on and deals with the rest itself: read, known handler,
alone if it may be poison, claim, judge.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.errors import cut
from orchestrator.model.wire import ClaimIn, ClaimMessage, ClaimOut, Run, TaskMessage
from pydantic import ValidationError

from worker.backoff import Backoff, growing_seconds
from worker.held import Held
from worker.jobs import Jobs, Verdict, judge
from worker.leases import Leases
from worker.log import Log
from worker.ports import ApiRefused, Received, Unavailable, WorkApi
from worker.reporter import Reporter

_MINUTE = 60.0
_HIDDEN_MAX_SECONDS = 900.0
_ALONE_FIRST_SECONDS = 5.0
_PAUSE_MAX_SECONDS = 30.0
_UNKNOWN_FIRST_SECONDS = 5.0
_NAMES_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Messages to be run, those to be run each by itself, and how long to receive nothing."""

    run: list[Held]
    alone: list[Held]
    pause_seconds: float


class Admission:
    """Used by the poller's thread only, but for `unknown_handlers`."""

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
    ) -> None:
        self._worker_id = worker_id
        self._api = api
        self._jobs = jobs
        self._leases = leases
        self._reporter = reporter
        self._log = log
        self._stopping = stopping
        self.handlers: frozenset[str] = frozenset()
        self._unknown: dict[str, None] = {}
        self._malformed: dict[str, None] = {}

    @property
    def unknown_handlers(self) -> list[str]:
        """Names of handlers that messages asked for and this worker does not have."""
        return list(self._unknown)

    def admit(self, received: Iterable[Received], received_at: float) -> Admitted:
        """Decide about each message; all but those returned are dealt with."""
        messages = [held for each in received if (held := self._read(each, received_at))]
        messages = [held for held in messages if self._has_handler(held)]
        messages, pause_seconds = self._without_busy_singles(messages)
        asked = [held for held in messages if self._must_ask(held)]
        answer = self._claim(asked)
        if answer is None:
            self._leave(asked, "its claim was not answered")
            messages = [held for held in messages if held not in asked]
        to_run = [held for held in messages if self._is_to_run(held, answer)]
        return Admitted(
            run=[held for held in to_run if not _is_redelivered(held)],
            alone=[held for held in to_run if _is_redelivered(held)],
            pause_seconds=pause_seconds,
        )

    def _read(self, received: Received, received_at: float) -> Held | None:
        """A malformed message is left to reach the dead-letter queue, and logged once."""
        try:
            message = TaskMessage.model_validate_json(received.body)
        except ValidationError as error:
            if received.message_id not in self._malformed:
                _remember(self._malformed, received.message_id)
                reason = cut(str(error), 500)
                self._log.error("malformed", message_id=received.message_id, reason=reason)
            return None
        held = Held(
            received=received,
            message=message,
            renewed_at=received_at,
            unsettled=set(message.tasks()),
            info=self._jobs.get(message.job),
        )
        self._leases.hold(held)
        return held

    def _has_handler(self, held: Held) -> bool:
        name = held.message.handler
        if name in self.handlers:
            return True
        _remember(self._unknown, name)
        seconds = growing_seconds(held.received.receive_count, _MINUTE, _HIDDEN_MAX_SECONDS)
        self._leases.put_back(held, seconds, f"this worker has no handler {cut(name)!r}")
        return False

    def _without_busy_singles(self, messages: list[Held]) -> tuple[list[Held], float]:
        """Put back redelivered single tasks, unless this is the only message that is held.

        Such a task may have killed its worker. It runs alone, so that it takes no others along and
        none of them is blamed for it. Meanwhile another worker may be idle; and this one takes no new
        work for a moment, so as to become so.
        """
        singles = [held for held in messages if _is_redelivered(held) and len(held.unsettled) == 1]
        others = len(self._leases.all()) - len(singles)
        put_back = singles if others else singles[1:]
        pause_seconds = 0.0
        for held in put_back:
            seconds = growing_seconds(
                held.received.receive_count - 1, _ALONE_FIRST_SECONDS, _HIDDEN_MAX_SECONDS
            )
            pause_seconds = max(pause_seconds, min(seconds, _PAUSE_MAX_SECONDS))
            self._leases.put_back(held, seconds, "redelivered, to run alone")
        return [held for held in messages if held not in put_back], pause_seconds

    def _must_ask(self, held: Held) -> bool:
        return _is_redelivered(held) or self._jobs.must_ask(held.message)

    def _claim(self, asked: list[Held]) -> ClaimOut | None:
        """Claim, for as long as it takes and any of the messages is ours; None: without an answer."""
        backoff = Backoff()
        while still := [held for held in asked if self._leases.ours(held)]:
            try:
                answer = self._api.claim(self._question(still))
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
        return None if asked else ClaimOut(jobs={}, messages={})

    def _question(self, asked: list[Held]) -> ClaimIn:
        return ClaimIn(
            worker_id=self._worker_id,
            jobs=sorted({held.message.job for held in asked}),
            messages=[_claim_message(held) for held in asked if _is_redelivered(held)],
        )

    def _is_to_run(self, held: Held, answer: ClaimOut | None) -> bool:
        held.info = self._jobs.get(held.message.job)
        told = answer.messages.get(held.received.message_id) if answer else None
        verdict = Verdict.DROP if told == "drop" else judge(held.message, held.info)
        if not self._leases.ours(held):
            self._leases.release(held)
        elif verdict is Verdict.DROP:
            self._reporter.drop(held, sorted(held.unsettled))
        elif verdict is Verdict.UNKNOWN or (_is_redelivered(held) and told is None):
            self._leave([held], "its job is not known")
        else:
            if isinstance(told, Run):
                held.unsettled.intersection_update(told.run)
            return True
        return False

    def _leave(self, messages: list[Held], reason: str) -> None:
        for held in messages:
            seconds = growing_seconds(
                held.received.receive_count, _UNKNOWN_FIRST_SECONDS, _HIDDEN_MAX_SECONDS
            )
            self._leases.put_back(held, seconds, reason)


def _is_redelivered(held: Held) -> bool:
    return held.received.receive_count > 1


def _claim_message(held: Held) -> ClaimMessage:
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
    )


def _remember(names: dict[str, None], name: str) -> None:
    """Keep the newest few, each once."""
    names.pop(name, None)
    names[name] = None
    while len(names) > _NAMES_MAX:
        del names[next(iter(names))]
