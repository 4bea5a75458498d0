"""One job of a million tasks at thousands of completions a second: write units by partition key, modelled.

The product's own code decides and writes (EnqueueTasks, the sets, nodes, ROOT and its throttle) on a store
that counts; workers, times and the network are modelled. Workers report when a request is full or a second
after the first. Not modelled: failures, give-back, heartbeats, DynamoDB's own splitting of hot keys.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import Random

from orchestrator.model.items import Job
from orchestrator.model.wire import REPORTS_MAX, TaskMessage
from orchestrator.policy import Policy
from orchestrator.service.commit import backlog_of, commit_outcomes
from orchestrator.service.enqueue import STEP_TASKS, STOP_SECONDS, enqueue_tasks, range_outbox
from orchestrator.service.ports import JobGuard
from tests.bench.partitions import CountingStore, Counts
from tests.fakes.cluster import Cluster
from tests.fakes.world import START, World
from worker.outbound import FLUSH_SECONDS

TASKS = 1_000_000
COMPLETIONS_PER_SECOND = 5_000
WORKERS = (1, 10, 100, 1_000)
WRITES_MAX, READS_MAX = 1_000, 3_000
"""Units a second of one partition key: docs/scale.md, source 6."""
SECONDS, STEADY_FROM = 12, 5
"""The window of a new job grows in the first seconds; hot is what stays hot after them."""
SLOTS = 2
INVOKE_SECONDS = 0.1
"""From a report that finds the queue low to the first step of EnqueueTasks."""
STEP_SECONDS = 0.06
"""A step: 1,000 tasks in 40 messages, and its three writes."""
RACE_SECONDS = 0.01
"""From an enqueuer's look at the cursor to its write: who moved it meanwhile has won."""
SEARCH, SEARCH_STEPS = (500.0, 20_000.0), 6
"""Rates between which the first hot key is looked for: six halvings of their ratio leave 6 %."""
KINDS = {
    "T": "rows of a leaf",
    "L": "leaves of a node",
    "N": "nodes of the job",
    "J": "JOB and ROOT",
    "D": "outbox",
    "S": "series",
}


@dataclass(frozen=True, slots=True)
class Load:
    """What is simulated."""

    workers: int
    per_second: float = COMPLETIONS_PER_SECOND
    tasks: int = TASKS
    seconds: int = SECONDS

    @property
    def batch(self) -> int:
        """Return the reports of a request: a second's, as many as it may carry at most."""
        rate = self.per_second / self.workers
        return min(REPORTS_MAX, int(rate * FLUSH_SECONDS) + 1)

    @property
    def period(self) -> float:
        """Return the seconds between two requests of a worker."""
        return self.batch * self.workers / self.per_second


class Simulation:
    """The model's clock and what happens next."""

    def __init__(self, load: Load) -> None:
        self.load, self.now = load, 0.0
        self.store = CountingStore(lambda: self.now)
        self.world = World(self.store)
        self.cluster = Cluster(self.world)
        self.completed = 0
        self._moved_at = -1.0
        self._queue: deque[list[int]] = deque()
        self._slots: dict[int, deque[Iterator[int]]] = defaultdict(deque)
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def run(self) -> Simulation:
        """Run the job's first seconds; return itself."""
        self.cluster.submit(tasks={"count": self.load.tasks})
        self.cluster.begin()
        self.store.writes.clear()
        self.store.reads.clear()
        self._receive()
        random = Random(1)
        for worker in range(self.load.workers):
            self._at(random.random() * self.load.period, partial(self._report, worker))
        while self._events and self._events[0][0] < self.load.seconds:
            self.now, _, act = heapq.heappop(self._events)
            self.world.clock = START + timedelta(seconds=self.now)
            act()
        return self

    def _at(self, moment: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), act))

    def _report(self, worker: int) -> None:
        """Report what ended since the last request: steps 3 to 6 of a completion."""
        store, job_id = self.store, self.cluster.job_id
        indexes = list(itertools.islice(self._ended(worker), self.load.batch))
        if indexes:
            job = store.get_job(job_id)
            assert job is not None
            store.rows(job_id, indexes)
            commit_outcomes(self.world.deps, job, dict.fromkeys(indexes, "ok"))
            self.completed += len(indexes)
        for _ in self.world.enqueues:
            self._at(self.now + INVOKE_SECONDS, partial(self._enqueue, None))
        self.world.enqueues.clear()
        self._at(self.now + self.load.period, partial(self._report, worker))

    def _ended(self, worker: int) -> Iterator[int]:
        """Yield tasks as a worker ends them: in turn from each slot, each slot with a message."""
        slots = self._slots[worker]
        while True:
            while len(slots) < SLOTS and self._queue:
                slots.append(iter(self._queue.popleft()))
            if not slots:
                return
            slot = slots.popleft()
            for index in itertools.islice(slot, 1):
                slots.append(slot)
                yield index

    def _enqueue(self, cursor: int | None) -> None:
        """Take a step of EnqueueTasks, and the next one later. `cursor`: where its own last step left it."""
        deps, job, late = self.world.deps, self.cluster.job, self.now - self._moved_at
        if not self._has_room():
            return
        if late < RACE_SECONDS or (cursor is not None and cursor != job.cursor):
            self._lose(job)
            return
        left = iter([STOP_SECONDS + 1, 0.0])
        enqueue_tasks(deps, job.job_id, 1, seconds_left=lambda: next(left), in_machine=False)
        self._moved_at = self.now
        self._receive()
        self._at(self.now + STEP_SECONDS, partial(self._enqueue, self.cluster.job.cursor))

    def _lose(self, job: Job) -> None:
        """Write what an enqueuer writes that another one has overtaken: its outbox item, and a refused move."""
        item = range_outbox(self.world.deps, job, job.cursor, job.cursor + STEP_TASKS)
        self.store.put_outbox([item])
        self.store.update_job(job.job_id, JobGuard(gen=job.gen, cursor=-1), cursor=0)

    def _has_room(self) -> bool:
        job = self.cluster.job
        root = self.store.get_root(job.job_id)
        backlog = backlog_of(job, root, Policy.load(job.policy), self.world.clock)
        return backlog.unsent > 0 and backlog.outstanding < backlog.window

    def _receive(self) -> None:
        for sent in self.world.queue.take():
            message = TaskMessage.model_validate_json(sent.body)
            self._queue.append(message.tasks())


def hottest(counts: Counts, first: int, stop: int) -> dict[str, tuple[str, float]]:
    """Return by kind of key the partition with most units in seconds [first, stop), and its units a second."""
    totals: Counter[str] = Counter()
    for (second, partition), number in counts.items():
        if first <= second < stop:
            totals[partition] += number
    best: dict[str, tuple[str, float]] = {}
    for partition, number in totals.items():
        kind, each = partition[0], number / (stop - first)
        if kind not in best or each > best[kind][1]:
            best[kind] = (partition, each)
    return best


def first_hot(load: Load, low: float, high: float, steps: int) -> tuple[float, str] | None:
    """Return the lowest rate, by halving, at which a partition is hot, and its kind; None: not up to `high`."""
    found = None
    rates = [high, *[0.0] * steps]
    for position in range(len(rates)):
        rate = rates[position] or (low * high) ** 0.5
        hot = _hot(Simulation(replace(load, per_second=rate)).run())
        if hot is None and position == 0:
            return None
        if hot is None:
            low = rate
        else:
            high, found = rate, (rate, hot)
    return found


def _hot(simulation: Simulation) -> str | None:
    """Return the kind of key that is above its limit in the steady seconds, the worst where several are."""
    best = hottest(simulation.store.writes, STEADY_FROM, simulation.load.seconds)
    above = {kind: each for kind, (_, each) in best.items() if each > WRITES_MAX}
    return max(above, key=lambda kind: above[kind]) if above else None


def measure() -> None:
    """Print the hottest partition of each kind for each number of workers, and what becomes hot when."""
    print(
        f"\nModelled: {COMPLETIONS_PER_SECOND:,} completions a second on one job of {TASKS:,} tasks."
    )
    print(
        f"  Write units a second of the hottest partition key (limit {WRITES_MAX:,}), steady state;"
    )
    print("  in brackets the worst second of the first five, while the window grows.")
    print(f"  {'':<20}" + "".join(f"{f'{workers:,} workers':>19}" for workers in WORKERS))
    runs = [Simulation(Load(workers)).run() for workers in WORKERS]
    for kind, name in KINDS.items():
        print(f"  {name:<20}" + "".join(f"{_cell(run, kind):>19}" for run in runs))
    shares = [f"{_share(run):.0%}" for run in runs]
    print(f"  {'share of the limit':<20}" + "".join(f"{share:>19}" for share in shares))
    reads = [_each(run.store.reads, "J", STEADY_FROM, SECONDS) for run in runs]
    print(f"  {f'reads, of {READS_MAX:,}':<20}" + "".join(f"{each:>19,.0f}" for each in reads))
    done = [run.completed / SECONDS for run in runs]
    print(f"  {'completions a second':<20}" + "".join(f"{each:>19,.0f}" for each in done))
    for run in runs:
        _print_verdict(run)


def _each(counts: Counts, kind: str, first: int, stop: int) -> float:
    return hottest(counts, first, stop).get(kind, ("", 0.0))[1]


def _cell(run: Simulation, kind: str) -> str:
    steady = _each(run.store.writes, kind, STEADY_FROM, SECONDS)
    worst = max(_each(run.store.writes, kind, second, second + 1) for second in range(STEADY_FROM))
    return f"{steady:,.0f} ({worst:,.0f})"


def _share(run: Simulation) -> float:
    best = hottest(run.store.writes, STEADY_FROM, SECONDS)
    return max(each for _, each in best.values()) / WRITES_MAX


def _print_verdict(run: Simulation) -> None:
    hot = _hot(run)
    at = f"{run.load.workers:,} workers"
    if hot is not None:
        print(f"  HOT KEY with {at}: {KINDS[hot]}, {_share(run):.0%} of a partition's write units")
    found = first_hot(run.load, SEARCH[0], SEARCH[1], SEARCH_STEPS)
    if found is None:
        print(f"  {at}: no hot key up to {SEARCH[1]:,.0f} completions a second")
    else:
        print(f"  {at}: {KINDS[found[1]]} first, at about {found[0]:,.0f} completions a second")
