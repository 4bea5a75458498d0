"""The receipt: its counts are the writes that were made, and it says what it does not know."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from orchestrator.errors import NotFound
from orchestrator.model.items import Role
from orchestrator.model.states import Outcome
from orchestrator.model.wire import CompleteIn, Report
from orchestrator.service.access import Caller
from orchestrator.service.prices import load_prices
from orchestrator.service.receipt import ReceiptOut, job_receipt
from orchestrator.service.report import complete
from tests.fakes.cluster import ALICE, Cluster, report_of
from tests.fakes.lives import LIVES, begun, cancel, failing, flaky


def receipt(cluster: Cluster) -> ReceiptOut:
    return job_receipt(cluster.world.deps, ALICE, cluster.job_id)


def quantity(found: ReceiptOut, service: str, item: str) -> float:
    (line,) = [ln for ln in found.lines if (ln.service, ln.item) == (service, item)]
    return line.quantity


def writes_of(cluster: Cluster) -> Counter[str]:
    """Count the store's writes from now on."""
    counted: Counter[str] = Counter()
    cluster.world.store.after_write = lambda name: counted.update([name])
    return counted


def test_what_is_counted_is_what_was_written() -> None:
    cluster = Cluster()
    counted = writes_of(cluster)
    begun(cluster, tasks={"count": 5_000}, tasks_per_message=25)
    calls = len(cluster.work()) // 25
    cluster.end()
    found = receipt(cluster)
    assert quantity(found, "API Gateway", "reports of workers") == calls == 200
    leaf_writes = counted["add_to_leaf"] + counted["begin_close"] + counted["end_close"]
    assert quantity(found, "DynamoDB", "leaves") == leaf_writes
    assert quantity(found, "DynamoDB", "leaves created") == counted["create_leaf"] == 20
    assert quantity(found, "DynamoDB", "rows of tasks") == counted["write_task"] == 5_000
    assert (
        quantity(found, "DynamoDB", "root") == cluster.world.store.get_root(cluster.job_id).pushes
    )
    pushes = counted["push_leaves"]
    assert 0.9 * pushes <= quantity(found, "DynamoDB", "nodes") <= pushes


def timed(cluster: Cluster, duration_ms: int, outcome: Outcome = Outcome.SUCCEEDED) -> None:
    """Let all that is in the queue take so long."""
    for message in cluster.messages():
        reports = [
            report_of(message, index, outcome).model_copy(update={"duration_ms": duration_ms})
            for index in message.tasks()
        ]
        valid = [Report.model_validate(r.model_dump()) for r in reports]
        complete(cluster.world.deps, CompleteIn(worker_id="w-1", reports=valid))


def test_worker_time_is_sampled_while_a_job_runs_and_known_at_its_end() -> None:
    cluster = begun(Cluster(), tasks={"count": 2_000}, max_running=2_000)
    timed(cluster, 1_500)
    running = receipt(cluster)
    assert (running.worker_seconds, running.worker_seconds_basis) == (3_000.0, "sampled")
    cluster.end()
    final = receipt(cluster)
    assert (final.worker_seconds, final.worker_seconds_basis) == (3_000.0, "counted")
    assert (final.attempts, running.attempts) == (2_000, 2_000)
    price = load_prices().per_million["worker_vcpu_seconds"]
    assert final.workers_usd == pytest.approx(3_000 * price / 1e6)


def test_every_attempt_of_every_generation_costs() -> None:
    cluster = begun(Cluster(), tasks={"count": 10}, retry={"max_attempts": 1})
    timed(cluster, 100, Outcome.FAILED)
    cluster.end()
    assert (receipt(cluster).attempts, receipt(cluster).worker_seconds) == (10, 1.0)
    again = cluster.retry(indexes=[1, 2, 3])
    again.begin()
    timed(again, 200)
    again.end()
    found = receipt(again)
    assert (found.gen, found.attempts, found.worker_seconds) == (2, 13, 1.6)
    assert quantity(found, "API Gateway", "submit and retries") == 2


def test_a_repeated_report_is_a_request_and_no_attempt() -> None:
    cluster = begun(Cluster(), tasks={"count": 10})
    (message,) = cluster.messages()
    for _ in range(3):
        cluster.report(message)
    found = receipt(cluster)
    assert quantity(found, "API Gateway", "reports of workers") == 3
    assert found.attempts == 10


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_lines_add_up_and_name_their_basis(life: object) -> None:
    cluster = life(Cluster())  # type: ignore[operator]
    found = receipt(cluster)
    *platform, workers = found.lines
    assert workers.service == "Workers"
    assert found.platform_usd == pytest.approx(sum(line.usd for line in platform), abs=1e-6)
    assert found.total_usd == pytest.approx(found.platform_usd + found.workers_usd, abs=1e-6)
    assert all(line.quantity >= 0 and line.usd >= 0 for line in found.lines)
    assert all(line.unit in load_prices().per_million for line in found.lines)
    rows = cluster.world.store.tables.tasks.values()
    ends = [end for row in rows for end in (*row.history, row.last) if end is not None]
    assert found.attempts == len(ends)


def test_a_job_that_has_not_begun_has_cost_its_submit() -> None:
    cluster = Cluster()
    cluster.submit()
    found = receipt(cluster)
    assert (found.attempts, found.worker_seconds, found.usd_per_million_tasks) == (0, 0.0, None)
    assert found.total_usd > 0


def test_a_retried_job_is_sampled_again_until_it_ends() -> None:
    cluster = failing(Cluster())
    assert receipt(cluster).worker_seconds_basis == "counted"
    other = begun(Cluster(), retry={"max_attempts": 1})
    other.work(flaky)
    other.end()
    again = other.retry()
    again.begin()
    assert receipt(again).worker_seconds_basis == "sampled"
    assert receipt(again).attempts == receipt(other).attempts == 255, "what was used stays used"
    cancel(again)
    again.end()
    assert receipt(again).worker_seconds_basis == "counted"


def test_short_tasks_cost_below_a_dollar_a_million() -> None:
    cluster = begun(Cluster(), tasks={"count": 16_000}, max_running=16_000)
    messages = cluster.messages()
    for start in range(0, len(messages), 4):
        reports = [
            report_of(message, index, Outcome.SUCCEEDED)
            for message in messages[start : start + 4]
            for index in message.tasks()
        ]
        cluster.world.wait(0.2)
        complete(cluster.world.deps, CompleteIn(worker_id="w-1", reports=reports))
    cluster.end()
    found = receipt(cluster)
    requests = [line for line in found.lines if line.unit != "lambda_gb_seconds"]
    assert sum(line.usd for line in requests) / 16_000 * 1e6 < 1.0


def test_it_is_one_tenant_s() -> None:
    cluster = begun(Cluster())
    eve = dataclasses.replace(ALICE, tenant="other", role=Role.ADMIN)
    assert isinstance(eve, Caller)
    with pytest.raises(NotFound):
        job_receipt(cluster.world.deps, eve, cluster.job_id)
