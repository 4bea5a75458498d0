"""The janitor: once a minute, a few running Jobs that this worker does not look after are asked about.

Whoever looks after a Job ends it. One whose message is gone (its task was settled, or its job stopped,
while nobody could delete it) would run on until its time-out.
"""

from __future__ import annotations

import random
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Literal

from orchestrator.model.states import JobState
from orchestrator.model.wire import ClaimIn, ClaimMessage, JobInfo, Run
from worker.containers.identity import Identity
from worker.containers.ports import Cluster, Refused
from worker.containers.view import View
from worker.health import Pulse
from worker.log import Log
from worker.ports import ApiRefused, Unavailable, WorkApi

PASS_SECONDS = 60.0
ASKED_MAX = 10
"""As many messages as one claim takes: what a pass costs, however many Jobs there are."""


class Janitor:
    """One thread. All workers of a fleet do the same, each with others: nobody must be chosen for it."""

    def __init__(
        self,
        *,
        worker_id: str,
        api: WorkApi,
        cluster: Cluster,
        view: View,
        knows: Callable[[str], bool],
        strange_seconds: float,
        log: Log,
        pulse: Pulse,
    ) -> None:
        self._worker_id = worker_id
        self._api = api
        self._cluster = cluster
        self._view = view
        self._knows = knows
        self._strange_seconds = strange_seconds
        self._log = log
        self._pulse = pulse
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="janitor", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread after its present call."""
        self._closed.set()

    def _run(self) -> None:
        self._pulse.begin()
        while not self._closed.wait(random.uniform(PASS_SECONDS / 2, PASS_SECONDS)):
            self._pulse.beat()
            try:
                self.tidy()
            except (Unavailable, ApiRefused, Refused) as error:
                self._log.warning("orphans_not_asked_about", reason=str(error))
            except Exception:
                self._log.error("janitor_failed", traceback=traceback.format_exc()[-3000:])
        self._pulse.end()

    def tidy(self) -> None:
        """Ask about a few, and delete those that nobody wants. Raises Unavailable, ApiRefused, Refused."""
        strange = [
            job.identity
            for job in self._view.unfinished(self._strange_seconds)
            if job.identity is not None and not job.deleting and not self._knows(job.name)
        ]
        asked = random.sample(strange, min(ASKED_MAX, len(strange)))
        for identity in self._orphans(asked) if asked else []:
            self._log.info("orphan_deleted", job_name=identity.name, job_id=identity.job)
            self._cluster.delete_job(identity.name)

    def _orphans(self, asked: Sequence[Identity]) -> list[Identity]:
        body = ClaimIn(
            worker_id=self._worker_id,
            jobs=sorted({identity.job for identity in asked}),
            messages=[_question(identity) for identity in asked],
        )
        answer = self._api.claim(body)
        return [
            identity
            for identity in asked
            if is_orphan(answer.messages.get(identity.name), answer.jobs.get(identity.job))
        ]


def is_orphan(told: Run | Literal["drop"] | None, info: JobInfo | None) -> bool:
    """Tell whether nothing of a Job's task is left to run, or its job is being stopped."""
    return told == "drop" or (info is not None and info.state is JobState.STOPPING)


def _question(identity: Identity) -> ClaimMessage:
    """Ask whether an attempt is settled, as for a redelivered message, without a start."""
    return ClaimMessage(
        message_id=identity.name,
        receive_count=1,
        job=identity.job,
        gen=identity.gen,
        attempt=identity.attempt,
        indexes=[identity.index],
        begins=False,
    )
