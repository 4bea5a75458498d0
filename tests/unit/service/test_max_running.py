"""`max_running`: each way in which more handlers could run at once, played out."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from orchestrator.model.states import Outcome
from orchestrator.model.wire import ClaimIn, ClaimMessage, CompleteIn, Run, TaskMessage, Unstarted
from orchestrator.service.claim import claim
from orchestrator.service.control import STOPPED_AFTER
from orchestrator.service.holds import HOLD
from orchestrator.service.report import complete
from tests.fakes.cluster import Cluster, report_of, succeed
from tests.unit.service.overtaking import dying, overtake
from tests.unit.service.played import cancel, fail, started, sweep_after


@dataclass
class Hands:
    """What workers run of a job: every message is claimed as workers do, and none loses its lease."""

    cluster: Cluster
    running: dict[str, list[int]] = field(default_factory=dict)
    received: int = 0

    def receive(self, message: TaskMessage, message_id: str | None = None, count: int = 1) -> bool:
        """Claim a message; tell whether anything of it runs now."""
        self.received += 1
        name = message_id or f"m{self.received}"
        fields = {"job", "gen", "attempt", "start", "stop", "indexes", "hold"}
        asked = ClaimMessage(
            message_id=name,
            receive_count=count,
            begins=count > 1,
            **message.model_dump(include=fields),
        )
        body = ClaimIn(worker_id="w-1", messages=[asked])
        told = claim(self.cluster.world.deps, body).messages[name]
        if isinstance(told, Run):
            self.running[name] = told.run
        return isinstance(told, Run)

    def receive_all(self) -> None:
        """Claim all that is in the queue."""
        for message in self.cluster.messages():
            self.receive(message)

    def at_once(self) -> int:
        """Return how many tasks run now."""
        return sum(map(len, self.running.values()))


def capped(total: int = 6, cap: int = 2, **fields: object) -> Hands:
    return Hands(started(total, max_running=cap, **fields))


def given_back(message: TaskMessage, message_id: str) -> CompleteIn:
    item = Unstarted(
        message_id=message_id,
        receive_count=1,
        indexes=message.tasks(),
        **message.model_dump(include={"job", "gen", "attempt"}),
    )
    return CompleteIn(worker_id="w-1", unstarted=[item])


def test_only_messages_of_capped_jobs_are_to_be_claimed_before_they_run() -> None:
    assert [m.hold for m in started(2, max_running=2).messages()] == [True, True]
    (body, *_) = started(2).world.queue.sent
    assert "hold" not in body.body


def test_a_range_that_an_enqueuer_sent_and_did_not_note_is_run_once() -> None:
    hands = Hands(Cluster())
    hands.cluster.submit(tasks={"count": 3}, max_running=2)
    with dying(hands.cluster.world, "delete_outbox_item"):
        hands.cluster.begin()
    hands.cluster.begin()
    sweep_after(hands.cluster, 200)
    messages = hands.cluster.messages()
    assert [m.tasks() for m in messages] == [[0], [1], [0, 1]]
    assert [hands.receive(message) for message in messages] == [True, True, False]
    assert hands.at_once() == 2


def test_a_retry_that_was_sent_twice_is_run_once() -> None:
    hands = capped(total=2, cap=1)
    (message,) = hands.cluster.messages()
    assert hands.receive(message, "first")
    hands.running.clear()
    for _ in range(2):  # The first answer was lost.
        hands.cluster.report(message, fail)
    first, second = hands.cluster.messages()
    assert (first.attempt, second.attempt) == (2, 2)
    assert [hands.receive(first), hands.receive(second)] == [True, False]


def test_a_give_back_that_was_sent_twice_is_run_once_and_by_the_one_that_comes_first() -> None:
    hands = capped(total=1, cap=1)
    (message,) = hands.cluster.messages()
    assert hands.receive(message, "first")
    hands.running.clear()
    for _ in range(2):
        complete(hands.cluster.world.deps, given_back(message, "first"))
    again, twice = hands.cluster.messages()
    assert [hands.receive(twice), hands.receive(again)] == [True, False]


def test_a_give_back_that_died_before_its_send_leaves_the_task_to_its_message() -> None:
    hands = capped(total=1, cap=1)
    (message,) = hands.cluster.messages()
    assert hands.receive(message, "first")
    hands.running.clear()
    hands.cluster.world.queue.failing = 1
    complete(hands.cluster.world.deps, given_back(message, "first"))
    assert hands.receive(message, "first", 2)


def test_a_message_that_comes_again_runs_its_task_again() -> None:
    hands = capped(total=1, cap=1)
    (message,) = hands.cluster.messages()
    assert hands.receive(message, "first")
    assert hands.receive(message, "first", 2)


def test_what_a_split_sends_may_run_and_the_copy_of_the_range_may_not() -> None:
    hands = capped(total=3, cap=3, tasks_per_message=3)
    (message,) = hands.cluster.messages()
    assert hands.receive(message, "first")
    assert not hands.receive(message, "copy")
    hands.running.clear()
    assert not hands.receive(message, "first", 2)
    singles = hands.cluster.messages()
    assert [hands.receive(single) for single in singles] == [True] * 3
    assert not hands.receive(message, "copy")


def test_a_range_runs_without_the_task_that_another_message_runs() -> None:
    hands = capped(total=3, cap=3, tasks_per_message=3)
    (message,) = hands.cluster.messages()
    single = message.model_copy(update={"start": None, "stop": None, "indexes": [1]})
    assert hands.receive(single, "single")
    assert hands.receive(message, "range")
    assert hands.running == {"single": [1], "range": [0, 2]}


def test_what_the_sweep_sends_again_waits_for_no_message_that_may_be_gone() -> None:
    hands = capped(total=1, cap=1)
    (message,) = hands.cluster.messages()
    assert hands.receive(message, "lost")
    hands.running.clear()
    for _ in range(2):
        hands.cluster.world.wait(HOLD.total_seconds())
        sweep_after(hands.cluster, 6 * 86_400)
    again, *_ = hands.cluster.messages()
    assert hands.receive(again)


def test_what_is_sent_again_does_not_run_beside_the_message_that_still_does() -> None:
    hands = capped(total=1, cap=1)
    (message,) = hands.cluster.messages()
    assert hands.receive(message, "alive")
    hands.cluster.world.wait(HOLD.total_seconds() - 1)
    assert not hands.receive(message, "again")
    hands.cluster.world.wait(2)
    assert hands.receive(message, "again")


def test_of_two_enqueuers_that_race_only_one_moves_the_window() -> None:
    hands = capped(total=9, cap=3)
    for message in hands.cluster.messages():
        hands.cluster.report(message)
    overtake(hands.cluster.world, "update_job", hands.cluster.enqueue)
    hands.cluster.enqueue()
    hands.receive_all()
    assert hands.at_once() == 3


def test_a_retry_that_is_due_has_its_place_in_the_window() -> None:
    hands = capped(total=9, cap=3, retry={"initial_seconds": 3_000, "max_seconds": 3_000})
    sweep_after(hands.cluster, 0)
    for message in hands.cluster.messages():
        hands.cluster.report(message, fail if message.tasks() == [1] else succeed)
    hands.cluster.enqueue()
    sweep_after(hands.cluster, 3_200)
    hands.cluster.enqueue()
    hands.receive_all()
    assert sorted(i for tasks in hands.running.values() for i in tasks) == [1, 3, 4]


def test_the_claim_of_an_attempt_that_is_over_runs_nothing() -> None:
    hands = capped(total=2, cap=1)
    (message,) = hands.cluster.messages()
    assert hands.receive(message, "first")
    hands.cluster.report(message, fail)
    (second,) = hands.cluster.messages()
    assert hands.receive(second, "second")
    assert not hands.receive(message, "late")


@pytest.mark.parametrize("seconds", [0, 45])
def test_a_reopened_job_waits_for_handlers_that_were_told_to_stop(seconds: int) -> None:
    hands = capped(total=6, cap=2)
    hands.receive_all()
    cancel(hands.cluster)
    hands.cluster.world.wait(seconds)
    assert hands.cluster.end() == "CANCELLED"
    again = hands.cluster.retry()
    again.begin()
    again.enqueue()
    assert again.messages() == []
    sweep_after(again, STOPPED_AFTER.total_seconds() - seconds)
    assert again.world.enqueues
    again.enqueue()
    assert len(again.messages()) == 2


def test_a_reopened_job_begins_at_once_where_no_handler_can_be_left() -> None:
    hands = capped(total=2, cap=2, retry={"max_attempts": 1})
    for message in hands.cluster.messages():
        hands.cluster.report(message, fail)
    assert hands.cluster.end() == "FAILED"
    again = hands.cluster.retry()
    again.begin()
    assert len(again.messages()) == 2


def test_a_stopped_job_without_a_cap_is_reopened_at_once() -> None:
    cluster = started(2, tasks_per_message=1)
    message, *_ = cluster.messages()
    cancel(cluster)
    cluster.report(message)
    assert cluster.end() == "CANCELLED"
    again = cluster.retry()
    again.begin()
    assert len(again.messages()) == 1


def test_the_report_of_a_task_whose_hold_was_taken_over_still_counts() -> None:
    """A zombie is fenced by its row alone: whoever reports first has done the task."""
    hands = capped(total=1, cap=1)
    (message,) = hands.cluster.messages()
    assert hands.receive(message, "zombie")
    assert hands.receive(message, "zombie", 2)
    reports = [report_of(message, 0, Outcome.SUCCEEDED, run="other")]
    body = CompleteIn(worker_id="w-2", reports=reports)
    assert complete(hands.cluster.world.deps, body).reports == ["committed"]
