"""Priority under any order of events: a lower job sends nothing past a higher one, and all of them end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model.states import JobState
from orchestrator.model.wire import TaskMessage
from orchestrator.service.create import create_tasks
from orchestrator.service.monitor import monitor_job
from orchestrator.service.plan import plan_tasks
from orchestrator.service.sweep import sweep
from tests.fakes.cluster import Cluster
from tests.fakes.world import World
from tests.unit.service.played import cancel

TOTAL, CAP = 7, 2
SENDS = (JobState.ENQUEUING, JobState.PROCESSING)
events = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(0, 9)),
        st.tuples(st.just("report"), st.integers(1, 6)),
        st.tuples(st.just("refill"), st.integers(0, 5)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
        st.tuples(st.just("sweep"), st.integers(61, 90)),
        st.tuples(st.just("forget"), st.just(0)),
    ),
    max_size=25,
)


class Tenant:
    """A tenant's jobs, none of whose enqueuers may send past a higher job."""

    def __init__(self) -> None:
        self.world = World()
        self.jobs: list[Cluster] = []
        self.queue: list[TaskMessage] = []

    def submit(self, priority: int) -> None:
        """Submit a job, and run its machine up to the wait."""
        made, deps = Cluster(world=self.world), self.world.deps
        made.submit(tasks={"count": TOTAL}, max_running=CAP, priority=priority)
        self.jobs.append(made)
        for node in plan_tasks(deps, made.job_id, 1, 1)["nodes"]:
            create_tasks(deps, made.job_id, 1, 1, node)
        self.enqueue(made, in_machine=True)
        monitor_job(deps, made.job_id, 1, 1, made.token)

    def enqueue(self, cluster: Cluster, *, in_machine: bool = False) -> None:
        """Run an enqueuer; where a higher job has unsent tasks it must send nothing."""
        before = cluster.job
        higher = [
            row
            for row in (each.job for each in self.jobs)
            if row.priority > before.priority and row.state in SENDS and row.cursor < TOTAL
        ]
        if not before.state.final:
            cluster.enqueue(in_machine=in_machine)
        assert not higher or cluster.job.cursor == before.cursor

    def report(self, most: int) -> None:
        """Report some of what is in the queue."""
        self.queue += Cluster(world=self.world).messages()
        for message in self.queue[:most]:
            self.world.wait(1)
            Cluster(world=self.world, job_id=message.job).report(message)
        self.queue = self.queue[most:]

    def refill(self, number: int) -> None:
        """Run some of the enqueuers that were asked for."""
        for _ in range(min(number, len(self.world.enqueues))):
            job_id, gen = self.world.enqueues.pop(0)
            self.enqueue(Cluster(world=self.world, job_id=job_id, gen=gen))

    def cancel(self, number: int) -> None:
        """Cancel a job that goes on."""
        going = [each for each in self.jobs if each.job.state is JobState.PROCESSING]
        if going and not going[number % len(going)].woken:
            cancel(going[number % len(going)])

    def sweep(self, seconds: int) -> None:
        """Sweep after a minute."""
        self.world.wait(seconds)
        sweep(self.world.deps, lambda: 40.0)

    def forget(self, _: int) -> None:
        """Lose all calls of enqueuers that are under way."""
        self.world.enqueues.clear()


@settings(max_examples=80)
@given(events)
def test_no_lower_job_sends_past_a_higher_one_and_each_job_ends(
    steps: list[tuple[str, int]],
) -> None:
    tenant = Tenant()
    for name, value in steps:
        getattr(tenant, name)(value)
    for _ in range(20 * (len(tenant.jobs) + 1)):
        tenant.report(100)
        tenant.refill(100)
        tenant.sweep(61)
    assert all(each.woken for each in tenant.jobs)
