"""Whole workers with containers: claims, heartbeats, drains, adoption, hundreds at once."""

from __future__ import annotations

from orchestrator.model.states import JobState
from tests.unit.containers.conftest import (
    IMAGE,
    Workers,
    container_message,
    make_container_settings,
    name_of,
)
from tests.unit.worker.conftest import JOB, message, poll


def test_a_container_runs_without_a_slot_and_is_committed_once(workers: Workers) -> None:
    workers.start()
    m1 = workers.queue.send(container_message({"args": ["1"]}))
    workers.wait_for_jobs(1)
    m2 = workers.queue.send(message("echo", 5, start=1, stop=2))
    workers.queue.wait_deleted(m2)
    workers.cluster.begin(name_of())
    workers.cluster.end(name_of(), message="7", log=b"words\n")
    workers.queue.wait_deleted(m1)
    by_index = {report.index: report for report in workers.api.reports}
    assert (by_index[0].outcome, by_index[0].result) == ("succeeded", 7)
    assert by_index[0].log_ref == f"tasks/{JOB}/1/0/{by_index[0].run_id}.log"
    assert by_index[1].result == 5


def test_a_heartbeat_names_the_handler_and_what_runs(workers: Workers) -> None:
    parts = workers.start()
    workers.queue.send(container_message({}))
    workers.wait_for_jobs(1)
    parts.heart.beat()
    beat = workers.api.heartbeats[-1]
    assert "container" in beat.handlers
    assert [(task.job, task.index, task.attempt) for task in beat.running] == [(JOB, 0, 1)]


def test_a_cancel_reaches_the_container_by_the_heartbeat(workers: Workers) -> None:
    parts = workers.start()
    m1 = workers.queue.send(container_message({}))
    workers.wait_for_jobs(1)
    workers.cluster.begin(name_of())
    workers.api.add_job(JOB, state=JobState.STOPPING)
    parts.heart.beat()
    workers.queue.wait_deleted(m1)
    assert workers.cluster.deleted == [name_of()]
    assert not workers.api.reports


def test_a_rollout_in_the_middle_kills_no_container_and_starts_none_twice(workers: Workers) -> None:
    workers.start()
    m1 = workers.queue.send(container_message({}))
    workers.wait_for_jobs(1)
    workers.cluster.begin(name_of())
    workers.stop()
    assert workers.queue.hidden_for[m1][-1] == 1
    assert not workers.api.unstarted, "a give-back would change what the Job's name is made of"
    assert not workers.cluster.deleted
    workers.queue.deliver_again(m1)
    workers.start(worker_id="w-2")
    poll(lambda: len(workers.lines.of("container_adopted")) == 1)
    workers.cluster.end(name_of(), message='"done"')
    workers.queue.wait_deleted(m1)
    assert workers.cluster.created == [name_of()]
    (report,) = workers.api.reports
    assert report.result == "done"


def test_a_redelivery_is_claimed_and_counts_as_no_lost_worker(workers: Workers) -> None:
    """A container cannot take its worker down, so what took it down is not the container's fault."""
    workers.start()
    m1 = workers.queue.send(container_message({}), receive_count=7)
    workers.wait_for_jobs(1)
    asked = [each for claim in workers.api.claims for each in claim.messages]
    assert [(each.message_id, each.receive_count, each.begins) for each in asked] == [
        (m1, 8, False)
    ]


def test_a_redelivery_whose_task_is_settled_starts_nothing(workers: Workers) -> None:
    workers.api.verdicts["m1"] = "drop"
    workers.start()
    workers.queue.wait_deleted(workers.queue.send(container_message({}), receive_count=1))
    assert not workers.cluster.created


def test_a_redelivered_task_runs_alone_beside_containers(workers: Workers) -> None:
    """What must run alone on its worker waits for slots, not for containers that take hours."""
    workers.start()
    workers.queue.send(container_message({}))
    workers.wait_for_jobs(1)
    m2 = workers.queue.send(message("echo", 5, start=1, stop=2), receive_count=1)
    workers.queue.wait_deleted(m2)
    assert [report.index for report in workers.api.reports] == [1]


def test_a_worker_without_containers_puts_them_back(workers: Workers) -> None:
    parts = workers.start(containers=None)
    m1 = workers.queue.send(container_message({}))
    poll(lambda: bool(workers.queue.hidden_for.get(m1)))
    assert workers.queue.hidden_for[m1][0] >= 30
    assert parts.admission.unknown_handlers == ["container"]
    assert not workers.cluster.created


def test_a_frozen_worker_leaves_its_container_to_the_next(workers: Workers) -> None:
    parts = workers.start()
    m1 = workers.queue.send(container_message({}))
    workers.wait_for_jobs(1)
    workers.cluster.begin(name_of())
    (held,) = parts.leases.all()
    held.orders.lose()
    poll(lambda: not parts.leases.all())
    assert not workers.cluster.deleted
    workers.queue.deliver_again(m1)
    poll(lambda: len(parts.leases.all()) == 1)
    workers.cluster.end(name_of(), message="1")
    workers.queue.wait_deleted(m1)
    assert workers.cluster.created == [name_of()]
    assert [report.result for report in workers.api.reports] == [1]


def test_two_hundred_at_once_end_each_once_and_never_pass_the_cap(workers: Workers) -> None:
    cap, alive, most = 20, set[str](), [0]
    cluster, queue, api = workers.cluster, workers.queue, workers.api

    def note(job_name: str) -> None:
        alive.add(job_name)
        most[0] = max(most[0], len(alive))

    def send(index: int) -> None:
        queue.send(container_message({}, start=index, stop=index + 1))

    def serve() -> bool:
        """End what runs, deliver what was put back, send what was given back; tell whether all ended."""
        with cluster.changed:
            for name in sorted(alive):
                alive.discard(name)
                cluster.end(name, message=f'"{name}"')
        for message_id in list(queue.messages):
            if queue.hidden_for.pop(message_id, None):
                queue.deliver_again(message_id)
        while api.unstarted:
            send(api.unstarted.pop().tasks()[0])
        return len(api.reports) >= 200 and not queue.messages

    cluster.on_pod = note
    for index in range(200):
        send(index)
    workers.start(containers=make_container_settings(max_jobs=cap))
    poll(serve)
    assert most[0] <= cap
    assert len(cluster.created) == len(set(cluster.created)) == 200
    assert {report.index: report.result for report in api.reports} == {
        index: name_of(index) for index in range(200)
    }


def test_the_parameters_of_the_job_reach_every_container(workers: Workers) -> None:
    workers.start()
    workers.queue.send(container_message({}))
    workers.wait_for_jobs(1)
    (job,) = workers.cluster.objects["jobs"].values()
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE
