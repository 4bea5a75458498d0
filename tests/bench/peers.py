"""The product beside what a user might take instead: rates, each also net of the emulator's own time."""

from __future__ import annotations

from local.stack import Running
from tests.bench import cpu, throughput
from tests.bench.peer import celery_run, plain
from tests.bench.peer.cost import Cost

TASKS = 10_000
PLAIN_TASKS = 400
GOAL_TIMES = 5


def measure(running: Running) -> None:
    """Print the rates of one run after the other on the same emulator, and where our time goes."""
    throughput.warm(running.stack)
    ours = _ours(running)
    celery = celery_run.cost(running, TASKS)
    simple = plain.cost(running, PLAIN_TASKS)
    print(f"\n{TASKS:,} no-op tasks beside others, two workers each, milliseconds a task")
    print("  floor: the emulator's CPU time in the run, which is one process; net: all beyond it")
    print("  own: the CPU time of every other process that the run needs")
    print(f"  {'':<34}{'tasks/s':>9}{'all':>9}{'floor':>9}{'net':>9}{'own':>9}")
    for cost in (ours, celery, simple):
        figures = (cost.all_ms, cost.floor_ms, cost.net_ms, cost.own_ms)
        columns = "".join(f"{value:9.2f}" for value in figures)
        print(f"  {cost.name:<34}{cost.per_second:9.1f}{columns}")
    times = ours.per_second / celery.per_second
    print(f"  times Celery's rate: {times:.1f} (goal {GOAL_TIMES})")
    net, own = celery.net_ms / ours.net_ms, celery.own_ms / ours.own_ms
    print(f"  net of the floor {net:.1f} times, own CPU time {own:.1f} times")
    cpu.print_per_task(ours.used, TASKS)


def _ours(running: Running) -> Cost:
    before = cpu.read(running)
    done = throughput.run(running.stack, TASKS)
    return Cost("this product", done.tasks, done.seconds, cpu.since(cpu.read(running), before))
