"""Beginning, waiting, adopting, handing over and cancelling: one worker's desk, step by step."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.model.states import Outcome
from tests.unit.containers.conftest import IMAGE, Desk, name_of
from tests.unit.containers.fake_cluster import FakeCluster
from tests.unit.containers.fake_files import FakeFiles
from worker.containers.ports import Refused

CANNOT = 'jobs.batch is forbidden: User "x" cannot create resource "jobs" in API group "batch"'


# What can never run


@pytest.mark.parametrize(
    ("item", "type", "words"),
    [
        ({"image": "other.example/app"}, "NotAllowed", "CONTAINERS_IMAGES of the workers has"),
        ({"image": IMAGE, "service_account": "admin"}, "NotAllowed", "CONTAINERS_SERVICE_ACCOUNTS"),
        ({"image": "UPPER"}, "InvalidInput", "image: 'UPPER' is no image reference"),
        ({"image": IMAGE, "privileged": True}, "InvalidInput", "privileged: Extra inputs"),
        ([1], "InvalidInput", "must be an object with the fields of a container"),
    ],
)
def test_what_may_not_run_fails_at_once_and_no_job_is_made(
    desk: Desk, item: object, type: str, words: str
) -> None:
    desk.take(item)  # type: ignore[arg-type]
    error = desk.report.ending.error
    assert error is not None
    assert (error.type, error.retryable) == (type, False)
    assert words in error.message
    assert not desk.cluster.created
    assert not desk.cluster.deleted


def test_what_kubernetes_finds_wrong_is_told_in_its_words(desk: Desk) -> None:
    text = "admission webhook denied the request: this image cannot be used"
    desk.cluster.refuse = [Refused(403, "Forbidden", text)]
    desk.take()
    error = desk.report.ending.error
    assert error is not None
    assert error.type == "JobRefused"
    assert text in error.message
    assert not error.retryable


def test_an_input_that_is_gone_fails_the_task(desk: Desk) -> None:
    held_ref = {"key": "jobs/x/inputs-0.jsonl", "start": 0}
    desk.take(inputs=None, inputs_ref=held_ref)
    assert desk.report.ending.error is not None
    assert desk.report.ending.error.type == "InputMissing"


# Waiting to begin


def test_a_used_up_quota_is_waited_for(desk: Desk) -> None:
    desk.cluster.job_quota = 0
    desk.take()
    desk.look(60)
    assert not desk.said.reports
    desk.cluster.job_quota = 1
    desk.look(60)
    assert desk.cluster.created == [name_of()]


def test_what_cannot_begin_for_long_makes_place_for_others(desk: Desk) -> None:
    desk.cluster.job_quota = 0
    desk.take()
    desk.look(601)
    assert not desk.containers.running
    assert not desk.leases.all()
    assert len(desk.queue.hidden_for["m1"]) == 1
    assert not desk.said.reports


@pytest.mark.parametrize(
    "fault", [Refused(403, "Forbidden", CANNOT), Refused(404, "NotFound", "namespaces not found")]
)
def test_a_fault_of_the_worker_s_role_fails_no_task(desk: Desk, fault: Refused) -> None:
    desk.cluster.refuse = [fault]
    desk.take()
    assert not desk.said.reports
    (line,) = desk.lines.of("container_waits")
    assert line["level"] == "ERROR"
    desk.look(60)
    assert desk.cluster.created == [name_of()]


def test_a_message_that_found_no_place_often_is_sent_anew(make_desk: Callable[..., Desk]) -> None:
    """The queue gives up at the 50th receive: waiting alone must never fail a task."""
    desk = make_desk(max_jobs=1)
    desk.take()
    desk.take(start=1, stop=2, receive_count=18)
    assert not desk.said.given_back
    desk.take(start=2, stop=3, receive_count=19)
    (given,) = desk.said.given_back
    assert (given.indexes, given.interrupted) == ([2], [])


def test_a_pod_quota_is_waited_for_however_long_and_holds_the_message(desk: Desk) -> None:
    desk.cluster.pod_quota = 0
    desk.take()
    for _ in range(20):
        desk.look(601)
    assert not desk.said.reports
    assert [task.index for task in desk.containers.running] == [0]
    desk.cluster.pod_quota = 1
    desk.cluster.make_pod(name_of())
    desk.cluster.end(name_of(), message="1")
    desk.look()
    assert desk.report.ending.outcome is Outcome.SUCCEEDED


def test_a_job_that_gets_no_pod_fails_with_the_controllers_words(desk: Desk) -> None:
    desk.cluster.pod_quota = 0
    desk.take({"image": IMAGE})
    desk.cluster.warnings[name_of()] = ['Error creating: serviceaccount "team" not found']
    desk.look(599)
    assert not desk.said.reports
    desk.look(2)
    error = desk.report.ending.error
    assert error is not None
    assert error.type == "NoPod"
    assert 'serviceaccount "team" not found' in error.message
    assert desk.cluster.deleted == [name_of()]


# Several


def test_there_are_never_more_jobs_than_the_cap(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(max_jobs=2)
    desk.take({"image": IMAGE}, {"image": IMAGE}, {"image": IMAGE})
    assert not desk.cluster.created, "a message is taken whole or not at all"
    desk.take({"image": IMAGE}, {"image": IMAGE})
    assert len(desk.cluster.created) == 2
    desk.take(start=2, stop=3)
    assert len(desk.cluster.created) == 2
    assert desk.queue.hidden_for["m3"]
    desk.cluster.end(name_of(0))
    desk.look()
    desk.take(start=3, stop=4)
    assert len(desk.cluster.created) == 3


def test_containers_of_one_message_are_settled_each_by_itself(desk: Desk) -> None:
    desk.take({"image": IMAGE}, {"image": IMAGE})
    desk.cluster.end(name_of(1), 3)
    desk.look()
    assert desk.report.index == 1
    assert [task.index for task in desk.containers.running] == [0]
    desk.cluster.end(name_of(0), message="0")
    desk.look()
    assert {report.index: report.ending.outcome.value for report in desk.said.reports} == {
        0: "succeeded",
        1: "failed",
    }


def test_a_second_copy_of_a_message_starts_nothing(desk: Desk) -> None:
    desk.take()
    desk.take()
    assert desk.cluster.created == [name_of()]
    assert desk.queue.hidden_for["m2"]


# Adopting


def test_a_redelivered_message_goes_on_with_the_job_that_runs(
    make_desk: Callable[..., Desk],
) -> None:
    first, second = make_desk(), make_desk()
    first.take()
    first.cluster.begin(name_of())
    run_id = first.job()["metadata"]["annotations"]["job-orchestrator/run-id"]
    second.take(receive_count=1)
    assert first.cluster.created == [name_of()]
    assert second.lines.of("container_adopted")
    second.cluster.end(name_of(), message="7")
    second.look()
    assert second.report.run_id == run_id, "the Job's own, which its link is made of"
    assert second.report.ending.result == b"7"


def test_a_job_that_is_not_seen_yet_is_found_by_its_name(desk: Desk, cluster: FakeCluster) -> None:
    """The watch may lag: a creation says that the Job is there, and that is no failure."""
    cluster.refuse = [Refused(409, "AlreadyExists", "already exists")]
    desk.take()
    assert not desk.said.reports
    desk.look(61)
    assert cluster.created == [name_of()], "it was gone, so it is created"


def test_another_attempt_or_interruption_is_another_job(desk: Desk) -> None:
    names = {
        name_of(),
        name_of(attempt=2),
        name_of(attempt=2, gen=2),
        name_of(interruptions=1),
        name_of(1),
    }
    assert len(names) == 5
    desk.take(attempt=2)
    assert desk.cluster.created == [name_of(attempt=2)]


def test_a_foreign_job_of_the_same_name_is_not_taken_for_ours(desk: Desk) -> None:
    desk.take()
    labels = {**desk.job()["metadata"]["labels"], "job-orchestrator/attempt": "9"}
    desk.cluster.mark("jobs", name_of(), labels=labels)
    desk.look()
    assert desk.report.ending.error is not None
    assert desk.report.ending.error.type == "NameTaken"
    assert not desk.cluster.deleted


# Losing and leaving


def test_a_lost_lease_leaves_the_job_to_its_next_holder_and_says_nothing(desk: Desk) -> None:
    held = desk.take()
    desk.cluster.begin(name_of())
    held.orders.lose()
    desk.cluster.end(name_of())
    desk.look()
    assert desk.said.forgotten == [held]
    assert not desk.said.reports
    assert not desk.said.given_back
    assert not desk.cluster.deleted
    assert not desk.containers.running


def test_a_worker_that_ends_hands_its_containers_over_as_they_are(desk: Desk) -> None:
    held = desk.take()
    desk.cluster.begin(name_of())
    desk.stopping.set()
    held.orders.drain(interrupt=False)
    desk.look()
    assert desk.queue.hidden_for["m1"] == [1], "another one takes it at once"
    assert not desk.said.given_back, (
        "attempt and interruptions stay: the Job's name is made of them"
    )
    assert not desk.cluster.deleted
    assert name_of() in desk.cluster.objects["jobs"]


def test_a_message_that_comes_while_the_worker_ends_is_handed_over_too(desk: Desk) -> None:
    desk.stopping.set()
    desk.take()
    assert desk.queue.hidden_for["m1"] == [1]
    assert not desk.cluster.created


def test_a_last_word_that_is_being_said_is_said(desk: Desk, files: FakeFiles) -> None:
    held = desk.take()
    files.failures = 1
    desk.cluster.end(name_of(), message="1")
    desk.look()
    held.orders.drain(interrupt=False)
    desk.look(60)
    assert desk.report.ending.result == b"1"
    assert "m1" not in desk.queue.hidden_for


# Cancelling


def test_a_stopped_job_s_containers_are_deleted(desk: Desk) -> None:
    held = desk.take()
    desk.cluster.begin(name_of())
    held.orders.cancel()
    desk.look()
    assert desk.cluster.deleted == [name_of()]
    assert desk.said.dropped == [0]
    assert not desk.said.reports
    assert not desk.containers.running


def test_a_cancel_that_cannot_reach_the_cluster_is_tried_again(desk: Desk) -> None:
    held = desk.take()
    held.orders.cancel()
    desk.cluster.down = True
    desk.containers.supervisor.turn()
    assert not desk.said.dropped
    assert desk.containers.running, "it still shows as running"
    desk.cluster.down = False
    desk.look(60)
    assert desk.said.dropped == [0]
    assert desk.cluster.deleted == [name_of()]


def test_a_fault_of_the_worker_leaves_the_message_to_its_redelivery(desk: Desk) -> None:
    desk.cluster.refuse = [RuntimeError("a bug")]
    desk.take()
    assert desk.lines.of("container_failed")
    assert not desk.leases.all()
    assert not desk.containers.running
    assert not desk.said.reports
