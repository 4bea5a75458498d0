"""What the items of the tables look like: keys, sparse indexes, expiry, sizes, one client, late rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.emulator import Emulator
from orchestrator.model.items import (
    Absent,
    ApiKey,
    Budgets,
    Idem,
    Older,
    Outbox,
    Role,
    Running,
    TaskRow,
    TaskWrite,
    Worker,
)
from orchestrator.model.progress import Packed, Tally, pack_leaf, pack_node
from orchestrator.model.states import JobState, TaskState
from orchestrator.model.wire import RESULT_INLINE_MAX_BYTES, RunningTask, TaskError
from orchestrator.service.ports import JobGuard, Refused
from orchestrator.store import DynamoStore, tasks
from orchestrator.store.requests import execute
from tests.integration.conftest import create_tables
from tests.integration.values import LATER, NOW, make_end, make_job, make_row

type RawItem = dict[str, dict[str, Any]]


class Tables:
    """A store on moto, and the items that it has written."""

    def __init__(self) -> None:
        self.names = create_tables(None)
        self.store = DynamoStore(**self.names, region="us-east-1", batches="single")
        self._client = boto3.client("dynamodb")

    def items(self, kind: str) -> dict[tuple[str, str], RawItem]:
        """Return the items of a table by their keys."""
        found: list[Any] = self._client.scan(TableName=self.names[f"{kind}_table"])["Items"]
        return {(item["pk"]["S"], item["sk"]["S"]): item for item in found}


@pytest.fixture
def dynamo() -> Iterator[Tables]:
    """Return empty tables."""
    with mock_aws():
        yield Tables()


def size_bytes(item: RawItem) -> int:
    """Return an item's size as DynamoDB counts it: names, UTF-8, numbers by two digits a byte and one."""

    def value(kind: str, content: Any) -> int:
        match kind:
            case "S":
                return len(content.encode())
            case "N":
                return (len(content) + 1) // 2 + 1
            case "SS" | "NS":
                return sum(value(kind[0], member) for member in content)
            case "BOOL":
                return 1
        raise AssertionError(kind)

    return sum(
        len(name.encode()) + value(*next(iter(typed.items()))) for name, typed in item.items()
    )


def write_all_kinds(tables: Tables, job_id: str) -> None:
    store = tables.store
    store.put_job(make_job(job_id))
    store.push_node(job_id, 0, 1, NOW, LATER)
    store.put_idem(Idem(key="i", job_id=job_id, body_hash="h", from_gen=0, expires_at=LATER))
    store.create_leaves(job_id, [0], LATER)
    store.add_to_leaf(job_id, 70, 1, {"ok": frozenset({1})}, LATER)
    store.push_leaves(job_id, {0: 1}, LATER)
    store.add_start(job_id, 0, 1, 1, "m#1", LATER)
    store.write_tasks([TaskWrite(row=make_row(job_id, 20_000), expect=Absent())])
    store.put_outbox([make_outbox(job_id)])
    store.add_given("m", frozenset({1}), LATER)
    store.put_worker(make_worker(job_id))
    task = RunningTask(job=job_id, index=3, attempt=1, since_ms=5)
    store.put_running(
        Running(job_id=job_id, worker_id="w", tasks=(task,), seen_at=NOW, expires_at=LATER)
    )
    store.put_key(make_key())
    store.put_sweep_minute(1)


def make_outbox(job_id: str) -> Outbox:
    return Outbox(
        job_id=job_id,
        gen=1,
        kind="range",
        start=0,
        stop=25,
        attempt=1,
        due_at=NOW,
        expires_at=LATER,
    )


def make_worker(job_id: str) -> Worker:
    return Worker(
        worker_id="w",
        version="1",
        slots=4,
        handlers=("echo",),
        unknown_handlers=(),
        draining=False,
        jobs=frozenset({job_id}),
        seen_at=NOW,
        expires_at=LATER,
    )


def make_key() -> ApiKey:
    return ApiKey(
        key_id="k",
        name="n",
        tenant="t",
        role=Role.ADMIN,
        secret_hash="h",
        created_at=NOW,
        created_by="me",
    )


def test_each_item_has_its_key_and_expires_but_api_keys_and_the_cursor(
    dynamo: Tables, job_id: str
) -> None:
    write_all_kinds(dynamo, job_id)
    jobs, rows, workers = (dynamo.items(kind) for kind in ("jobs", "tasks", "workers"))
    lasting = {("KEYS", "k"), ("SWEEP", "CURSOR")}
    assert set(jobs) == {(f"J#{job_id}", "JOB"), (f"J#{job_id}", "ROOT"), ("I#i", "IDEM"), *lasting}
    (outbox,) = (key for key in rows if key[0].startswith("D#"))
    assert outbox[0].rpartition("#")[0] == f"D#{int(NOW.timestamp()) // 60 + 1}"
    assert set(rows) - {outbox} == {
        (f"L#{job_id}#00", "0000"),
        (f"L#{job_id}#01", "0070"),
        (f"T#{job_id}#0000", "0000000"),
        (f"T#{job_id}#0080", "0020000"),
        (f"N#{job_id}#00", "00"),
        ("G#m", "GIVEN"),
    }
    assert {key[0][:2] for key in workers} == {"W#", "R#"}
    seconds = {"N": str(int(LATER.timestamp()))}
    for key, item in (jobs | rows | workers).items():
        assert item.get("expires_at") == (None if key in lasting else seconds), key


def test_only_a_job_that_goes_on_is_in_the_active_index(dynamo: Tables, job_id: str) -> None:
    key = (f"J#{job_id}", "JOB")
    dynamo.store.put_job(make_job(job_id))
    assert dynamo.items("jobs")[key]["active"]["S"].startswith("A#")
    dynamo.store.update_job(job_id, JobGuard(), state=JobState.CANCELLED)
    ended = dynamo.items("jobs")[key]
    assert "active" not in ended
    assert ended["tenant_state"] == {"S": f"t-{job_id}#CANCELLED"}
    dynamo.store.update_job(job_id, JobGuard(), state=JobState.CREATED)
    assert "active" in dynamo.items("jobs")[key]


@pytest.mark.parametrize("result", ['{"rows":150}', f'"{"x" * (RESULT_INLINE_MAX_BYTES - 2)}"'])
def test_a_finished_task_s_row_stays_below_one_write_unit(
    dynamo: Tables, job_id: str, result: str
) -> None:
    end = replace(make_end(3), worker="ip-10-0-123-45.eu-west-1.compute.internal-4711-9f3a")
    row = make_row(job_id, 999_999, attempt=3, last=end, budgets=Budgets(user=2), result=result)
    dynamo.store.write_tasks([TaskWrite(row=row, expect=Absent())])
    (item,) = dynamo.items("tasks").values()
    assert size_bytes(item) < 1024


def test_a_leaf_of_250_ended_tasks_stays_below_one_write_unit(dynamo: Tables, job_id: str) -> None:
    sets = {"ok": range(200), "failed": range(200, 230), "skipped": range(230, 250)}
    sets["retry"] = range(200, 250)
    adds: Any = {name: frozenset(offsets) for name, offsets in sets.items()}
    dynamo.store.add_to_leaf(job_id, 3999, 1, adds, LATER)
    (item,) = dynamo.items("tasks").values()
    assert size_bytes(item) < 1024


def test_full_nodes_and_roots_are_small_and_keep_every_digit(dynamo: Tables, job_id: str) -> None:
    leaf = pack_leaf(Packed(10**9 - 1, Tally(250, 0, 0, 0, 0)))
    node = pack_node(Packed(10**11 - 1, Tally(16_000, 0, 0, 0, 0)))
    for slot in range(64):
        assert dynamo.store.push_leaves(job_id, {slot: leaf}, LATER).leaves[slot] == leaf
    for number in range(63):
        dynamo.store.push_node(job_id, number, node, NOW, LATER)
    assert set(dynamo.store.get_root(job_id).nodes.values()) == {node}
    assert all(size_bytes(item) < 2048 for item in dynamo.items("tasks").values())
    assert all(size_bytes(item) < 2048 for item in dynamo.items("jobs").values())


def test_a_long_error_stays_on_the_row(dynamo: Tables, job_id: str) -> None:
    error = TaskError(type="Ä" * 200, message="m" * 1000, traceback="t" * 3000, exit_code=-9)
    row = make_row(
        job_id, 0, state=TaskState.RETRYING, attempt=2, due_at=NOW, last=make_end(1, error)
    )
    dynamo.store.write_tasks([TaskWrite(row=row, expect=Absent())])
    assert dynamo.store.get_tasks(job_id, [0]) == {0: row}


def test_one_client_serves_all_items(dynamo: Tables, job_id: str) -> None:
    write_all_kinds(dynamo, job_id)
    models = [value for value in vars(dynamo.store).values() if hasattr(value, "_get_connection")]
    assert len(models) >= 11
    assert len({id(model._get_connection().connection) for model in models}) == 1


def test_a_row_that_comes_between_the_two_rounds_of_a_reopening_is_still_replaced(
    emulator: Emulator,
    emulated_tables: dict[str, str],
    job_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An update finds no row, a late report of the old generation makes one, the insert is refused."""
    store = DynamoStore(
        **emulated_tables,
        region="us-east-1",
        endpoint_url=emulator.endpoint_url,
        batches="partiql",
    )
    late = make_row(job_id, 0)
    came: list[TaskRow] = []

    def interleaved(model: Any, statements: Sequence[dict[str, Any]]) -> Any:
        if not came and any(part["Statement"].startswith("INSERT") for part in statements):
            came.append(late)
            store.write_tasks([TaskWrite(row=late, expect=Absent())])
        return execute(model, statements)

    monkeypatch.setattr(tasks, "execute", interleaved)
    fresh = make_row(job_id, 0, gen=2, attempt=2, state=TaskState.PENDING)
    assert store.write_tasks([TaskWrite(row=fresh, expect=Older(gen=2))]) == [None]
    assert store.get_tasks(job_id, [0]) == {0: fresh}
    assert store.write_tasks([TaskWrite(row=late, expect=Absent())]) == [Refused(fresh)]
