"""Which jobs take the express lane, and that whatever is sent of a job goes the same way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.model.lanes import Lane
from orchestrator.model.states import JobState, Outcome
from orchestrator.model.wire import CompleteIn, TaskMessage, Unstarted
from orchestrator.service.access import Caller
from orchestrator.service.lanes import LISTED_MAX
from orchestrator.service.outbox import sweep_outbox
from orchestrator.service.plan import plan_tasks
from orchestrator.service.ports import Limits
from orchestrator.service.report import complete
from orchestrator.service.resend import resend_unsettled
from orchestrator.service.submit import submit_job
from tests.fakes.cluster import ALICE, Cluster, submission
from tests.fakes.lives import cancel
from tests.fakes.world import World

EVE = Caller("other", ALICE.role, "eve")
MOST = 20


@pytest.fixture
def world() -> World:
    made = World()
    made.deps = replace(made.deps, limits=Limits(express_tasks=MOST))
    return made


def submit(world: World, count: int, **fields: object) -> Cluster:
    cluster = Cluster(world=world)
    cluster.submit(**{"tasks": {"count": count}, "retry": {"max_attempts": 1}, **fields})
    return cluster


def planned(world: World, count: int, **fields: object) -> Lane:
    """Submit and plan a job; return its lane."""
    cluster = submit(world, count, **fields)
    plan_tasks(world.deps, cluster.job_id, 1, 1)
    return cluster.job.lane


def lanes(world: World) -> set[Lane]:
    """Take what was sent; return where to, each message of one task where it is express."""
    sent = world.queue.take()
    for outgoing in sent:
        tasks = TaskMessage.model_validate_json(outgoing.body).tasks()
        assert outgoing.lane is Lane.ORDINARY or len(tasks) == 1
    return {outgoing.lane for outgoing in sent}


def test_a_small_job_is_express_and_a_large_one_is_not(world: World) -> None:
    assert planned(world, MOST) is Lane.EXPRESS
    assert planned(world, MOST + 1) is Lane.ORDINARY


def test_where_the_stack_has_no_express_lane_all_jobs_are_ordinary() -> None:
    assert planned(World(), 1) is Lane.ORDINARY


@pytest.mark.parametrize(("per_message", "lane"), [(1, Lane.EXPRESS), (2, Lane.ORDINARY)])
def test_a_job_that_wants_several_tasks_a_message_is_ordinary(
    world: World, per_message: int, lane: Lane
) -> None:
    assert planned(world, 4, tasks_per_message=per_message) is lane


def test_a_tenant_has_two_of_the_largest_in_the_express_lane(world: World) -> None:
    assert [planned(world, MOST // 2) for _ in range(5)] == [Lane.EXPRESS] * 4 + [Lane.ORDINARY]


def test_another_tenant_has_its_own_share(world: World) -> None:
    for _ in range(3):
        planned(world, MOST)
    job, _ = submit_job(
        world.deps, EVE, submission(tasks={"count": MOST}), idempotency_key=None, request_id="r"
    )
    plan_tasks(world.deps, job.job_id, 1, 1)
    other = world.store.get_job(job.job_id)
    assert other is not None
    assert other.lane is Lane.EXPRESS


def test_jobs_that_end_or_are_stopped_make_room(world: World) -> None:
    first, second = (submit(world, MOST) for _ in range(2))
    for cluster in (first, second):
        cluster.begin()
    assert planned(world, MOST) is Lane.ORDINARY
    cancel(first)
    assert planned(world, MOST) is Lane.EXPRESS
    second.work()
    second.end()
    assert planned(world, MOST) is Lane.EXPRESS


@pytest.mark.parametrize("step", [1, -1])
def test_of_jobs_that_wait_for_their_plan_the_older_are_express(world: World, step: int) -> None:
    """In whichever order they are planned."""
    waiting = [submit(world, MOST) for _ in range(4)]
    for cluster in waiting[::step]:
        plan_tasks(world.deps, cluster.job_id, 1, 1)
    found = [cluster.job.lane for cluster in waiting]
    assert found == [Lane.EXPRESS, Lane.EXPRESS, Lane.ORDINARY, Lane.ORDINARY]


def test_a_large_job_takes_nothing_of_the_share(world: World) -> None:
    submit(world, 10 * MOST)
    assert planned(world, 10 * MOST) is Lane.ORDINARY
    assert planned(world, MOST) is Lane.EXPRESS


def test_who_has_more_jobs_than_are_looked_at_is_no_small_user(world: World) -> None:
    for _ in range(LISTED_MAX):
        submit(world, 10 * MOST)
    assert planned(world, 1) is Lane.ORDINARY


def test_all_that_is_sent_of_a_job_goes_by_its_lane(world: World) -> None:
    retry = {"max_attempts": 2, "initial_seconds": 2000, "max_seconds": 4000}
    cluster = submit(world, 10, retry=retry)
    cluster.begin()
    (first, second, *_), job = world.queue.sent, cluster.job
    assert lanes(world) == {Lane.EXPRESS}
    message = TaskMessage.model_validate_json(first.body)
    assert (job.lane, message.inputs_ref) == (Lane.EXPRESS, None)

    cluster.report(message, lambda index, attempt: Outcome.FAILED)
    world.wait(1200)
    sweep_outbox(world.deps, lambda: 60.0)
    assert lanes(world) == {Lane.EXPRESS}, "a retry, sent by the sweep"

    given = TaskMessage.model_validate_json(second.body)
    unstarted = Unstarted(
        job=job.job_id,
        gen=1,
        attempt=1,
        indexes=given.tasks(),
        message_id="m-2",
        receive_count=1,
        interrupted=[],
    )
    complete(world.deps, CompleteIn(worker_id="w", reports=[], unstarted=[unstarted]))
    assert lanes(world) == {Lane.EXPRESS}, "a give-back"

    resend_unsettled(world.deps, cluster.job, world.store.get_root(job.job_id))
    assert lanes(world) == {Lane.EXPRESS}, "what outlived the queue's retention"


def test_a_lane_is_not_decided_again_by_a_later_execution(world: World) -> None:
    cluster = submit(world, MOST)
    plan_tasks(world.deps, cluster.job_id, 1, 1)
    world.deps = replace(world.deps, limits=Limits(express_tasks=0))
    plan_tasks(world.deps, cluster.job_id, 1, 2)
    assert cluster.job.lane is Lane.EXPRESS


def test_a_retry_is_judged_by_what_it_chose(world: World) -> None:
    large = submit(world, 2 * MOST)
    large.begin()
    assert lanes(world) == {Lane.ORDINARY}
    large.enqueue()
    for index in range(2 * MOST):
        message = TaskMessage(
            job=large.job_id,
            gen=1,
            attempt=1,
            start=index,
            stop=index + 1,
            handler="echo",
            timeout_seconds=900,
        )
        large.report(message, lambda index, _: Outcome.FAILED if index < 3 else Outcome.SUCCEEDED)
    assert large.end() == JobState.FAILED
    again = large.retry(tasks="failed")
    again.begin()
    assert (again.job.lane, lanes(world)) == (Lane.EXPRESS, {Lane.EXPRESS})
