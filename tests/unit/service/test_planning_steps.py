"""A plan in several steps: each goes on where the last one ended, and nothing depends on where that was."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator import spec
from orchestrator.errors import Superseded
from orchestrator.model.items import Job
from orchestrator.model.states import JobState, StopReason
from orchestrator.service import planning
from orchestrator.service.commit import stop_job
from orchestrator.service.inputs import load_plan, read_inputs
from orchestrator.service.plan import plan_tasks
from orchestrator.service.planning import progress_key
from orchestrator.service.sweep import sweep
from tests.fakes.cluster import Cluster
from tests.fakes.lives import begun

TASKS = 95
FORMS: dict[str, tuple[str, bytes]] = {
    "JSON lines": ("shared/a.jsonl", b"".join(b'{"n": %d}\r\n\n' % n for n in range(TASKS))),
    "CSV": ("shared/a.csv", b"\nn,t\n" + b"".join(b'%d,"a\nb"\n' % n for n in range(TASKS))),
}
FORMS["gzip"] = ("shared/a.csv.gz", gzip.compress(FORMS["CSV"][1]))
GLOB = "shared/many/*.csv"


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "NODE_SIZE", 10)


def submitted(form: str, **fields: object) -> Cluster:
    """Return a cluster with a job in CREATED."""
    cluster = Cluster()
    if form == "prefix":
        for n in range(TASKS):
            cluster.world.data.bodies[f"shared/many/{n:03d}.csv"] = b"x" * n
            cluster.world.data.bodies[f"shared/many/{n:03d}.txt"] = b""
        cluster.submit(tasks={"prefix": GLOB})
        return cluster
    key, body = FORMS[form]
    cluster.world.data.bodies[key] = body
    cluster.submit(tasks={"manifest": {"key": key, **fields}})
    return cluster


def step(cluster: Cluster, left: Callable[[], float] | None = None, exec: int = 1) -> bool:
    """Run one step, with the time for one part where nothing else is said; tell whether more is to do."""
    seconds = iter([300.0])
    answer = plan_tasks(
        cluster.world.deps, cluster.job_id, 1, exec, left or (lambda: next(seconds, 0.0))
    )
    return bool(answer.get("more"))


def run_steps(cluster: Cluster) -> int:
    """Run steps until the plan is there; return how many that were."""
    steps = 1
    while step(cluster):
        steps += 1
        assert steps < 100, "the plan does not get on"
    return steps


def everything(cluster: Cluster) -> tuple[Job, list[object]]:
    """Return the job, and all its tasks' inputs."""
    plan = load_plan(cluster.world.deps, cluster.job)
    assert plan.total == cluster.job.total
    found = read_inputs(cluster.world.deps, plan, range(plan.total))
    return cluster.job, [found[index] for index in range(plan.total)]


def same_plan(one: Cluster, other: Cluster) -> None:
    """Both have the same tasks, and parts that are cut at the same places."""
    first, second = everything(one), everything(other)
    assert first[1] == second[1]
    plans = [load_plan(c.world.deps, c.job).parts for c in (one, other)]
    assert [(p.start, p.stop) for p in plans[0]] == [(p.start, p.stop) for p in plans[1]]


@pytest.mark.parametrize("form", [*FORMS, "prefix"])
def test_many_short_steps_make_the_plan_of_one_long_one(form: str) -> None:
    slow, quick = submitted(form), submitted(form)
    assert run_steps(slow) == 10
    assert not step(quick, lambda: 300.0)
    same_plan(slow, quick)
    job, inputs = everything(slow)
    assert (job.total, job.state) == (TASKS, JobState.ENQUEUING)
    assert len({json.dumps(value) for value in inputs}) == TASKS


@pytest.mark.parametrize("form", [*FORMS, "prefix"])
def test_a_step_that_dies_is_repeated_and_changes_nothing(form: str) -> None:
    cluster, quick = submitted(form), submitted(form)
    step(cluster), step(cluster)
    put, writes = cluster.world.data.put, iter(range(100))

    def dying(key: str, body: bytes, content_type: str) -> None:
        if next(writes) == 3:
            raise ConnectionError("the function died")
        put(key, body, content_type)

    cluster.world.data.put = dying  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        run_steps(cluster)
    cluster.world.data.put = put  # type: ignore[method-assign]
    run_steps(cluster)
    step(quick, lambda: 300.0)
    same_plan(cluster, quick)


def test_plain_text_is_read_on_from_where_it_was_left_gzip_from_its_beginning() -> None:
    plain, packed = submitted("JSON lines"), submitted("gzip")
    run_steps(plain), run_steps(packed)
    starts = [start for _, start in plain.world.sources.opened]
    assert starts[:2] == [0, 0]  # The submit's look, the first step.
    assert starts[1:] == sorted(set(starts[1:]))
    assert {start for _, start in packed.world.sources.opened} == {0}


def test_a_step_that_overlaps_an_older_one_is_not_undone_by_it() -> None:
    cluster = submitted("JSON lines")
    step(cluster)
    old = cluster.world.data.bodies[progress_key(cluster.job_id)]
    step(cluster), step(cluster)
    cluster.world.data.bodies[progress_key(cluster.job_id)] = old  # Written late.
    run_steps(cluster)
    quick = submitted("JSON lines")
    step(quick, lambda: 300.0)
    same_plan(cluster, quick)


def test_of_two_listings_the_first_that_is_planned_is_the_job_s() -> None:
    cluster = submitted("prefix")
    deps, bodies = cluster.world.deps, cluster.world.data.bodies
    update = cluster.world.store.update_job
    other: list[object] = []

    def overtaken(*args: object, **changes: object) -> object:
        if "plan_ref" in changes and not other:
            other.append(None)
            bodies["shared/many/000a.csv"] = b""
            other.append(plan_tasks(deps, cluster.job_id, 1, 1))
            other.extend(everything(cluster))
        return update(*args, **changes)  # type: ignore[arg-type]

    cluster.world.store.update_job = overtaken  # type: ignore[assignment,method-assign]
    answer = plan_tasks(deps, cluster.job_id, 1, 1)
    job, inputs = everything(cluster)
    assert job.total == TASKS + 1
    assert [answer, inputs] == [other[1], other[3]]
    del bodies["shared/many/000a.csv"]
    assert plan_tasks(deps, cluster.job_id, 1, 1) == answer
    assert everything(cluster)[1] == inputs


def test_the_sweep_does_not_take_a_plan_that_gets_on_for_a_dead_one() -> None:
    cluster = submitted("JSON lines")
    for _ in range(9):
        for _ in range(5):
            cluster.world.wait(61)
            sweep(cluster.world.deps, lambda: 40.0)
            assert cluster.job.exec == 1
            if not step(cluster):
                return
    raise AssertionError("the plan never ended")


def test_an_execution_that_was_replaced_plans_no_further() -> None:
    cluster = submitted("JSON lines")
    step(cluster)
    cluster.world.store.tables.jobs[cluster.job_id] = replace(cluster.job, exec=2)
    with pytest.raises(Superseded):
        step(cluster, exec=1)
    assert step(cluster, exec=2)


def test_a_stretch_of_lines_that_are_no_tasks_does_not_hold_a_step_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "STRETCH_MAX_BYTES", 400)
    key, body = "shared/b.jsonl", b"1\n" + b"bad\n" * 1_000 + b"2\n"
    clusters = []
    for left in (None, lambda: 300.0):
        cluster = Cluster()
        cluster.world.data.bodies[key] = body
        cluster.submit(tasks={"manifest": {"key": key, "on_bad_line": "skip"}})
        steps = 1
        while step(cluster, left):
            steps += 1
        assert steps == (11 if left is None else 1)
        clusters.append(cluster)
    same_plan(*clusters)
    assert everything(clusters[0])[1] == [1, 2]


def test_a_job_whose_plan_fails_for_good_never_ends_succeeded() -> None:
    cluster = submitted("JSON lines")
    stop_job(cluster.world.deps, cluster.job_id, 1, StopReason.ORCHESTRATION, "machine")
    assert cluster.end() == "FAILED"
    assert (cluster.job.total, cluster.job.state_reason) == (None, "orchestration")


def test_a_job_that_is_cancelled_while_it_is_planned_ends_with_all_its_tasks() -> None:
    cluster = submitted("JSON lines")
    step(cluster)
    stop_job(cluster.world.deps, cluster.job_id, 1, StopReason.CANCEL, "alice")
    run_steps(cluster)
    assert cluster.job.state is JobState.STOPPING
    assert cluster.end() == "CANCELLED"
    assert cluster.job.final_counts is not None
    assert cluster.job.final_counts.cancelled == TASKS


def test_a_retry_uses_the_plan_that_is_there() -> None:
    cluster = submitted("prefix")
    step(cluster, lambda: 300.0)
    before = everything(cluster)[1]
    stop_job(cluster.world.deps, cluster.job_id, 1, StopReason.CANCEL, "alice")
    cluster.end()
    cluster.world.data.bodies["shared/many/000a.csv"] = b""
    again = cluster.retry()
    again.begin()
    assert sum(len(message.tasks()) for message in again.messages()) == TASKS
    assert everything(again)[1] == before


def test_a_plain_job_needs_no_second_step_however_little_time_there_is() -> None:
    cluster = begun(Cluster(), tasks={"items": [1, 2, 3]})
    assert cluster.job.total == 3
