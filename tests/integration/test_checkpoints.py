"""Checkpoints on the emulator's S3, and by handlers in children of a worker that ends under them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from local.emulator import Emulator
from tests.unit.worker.conftest import JOB, Pool, make_pool, poll
from worker.child.bucket import S3, BucketCheckpoints
from worker.child.checkpoints import Checkpoint, Order, key_of
from worker.log import Log
from worker.pool.conversation import Limits
from worker.pool.events import Batch, Event, Finished, Returned, Run
from worker.pool.execution import Execution
from worker.pool.orders import Orders
from worker.pool.output import TaskOutput

pytestmark = pytest.mark.emulator


@pytest.fixture
def s3(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a client; everything that is started now finds the emulator, too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.endpoint_url)
    client: Any = boto3.client("s3")
    client.create_bucket(Bucket="results")
    return client


def test_an_earlier_run_overwrites_nothing_of_a_later_one(s3: Any) -> None:
    store, key = BucketCheckpoints("results", S3()), key_of(uuid4().hex, 0)

    def run_of(*order: int) -> Checkpoint:
        return Checkpoint(store, key, Order(*order), first=False, is_over=lambda: False)

    earlier, later = run_of(1, 100, 1), run_of(1, 100, 2)
    assert earlier.load() is None
    assert earlier.save(b"old")
    assert later.load() == b"old"
    assert earlier.save(b"older")
    assert later.save(b"new")
    assert not earlier.save(b"zombie")
    assert run_of(2, 300, 1).load() == b"new"


@pytest.fixture
def pool(s3: Any, tmp_path: Path) -> Iterator[Pool]:
    made = make_pool(Log(write=lambda _: None), tmp_path)
    made.children.greeted()
    yield made
    made.children.close()


def events(pool: Pool, orders: Orders, path: str, **delivery: int) -> list[Event]:
    """Run the one task, as a message's delivery."""
    orders.wake = pool.children.wake
    batch = Batch(
        job=JOB,
        gen=1,
        attempt=1,
        handler="ok.steps",
        parameters=None,
        timeout_seconds=30.0,
        runs=(Run(3, uuid4().hex, path),),
        **delivery,
    )
    execution = Execution(batch, orders, Limits(), lambda _: TaskOutput(pool.log))
    return list(execution.events(pool.children))


@pytest.mark.parametrize(
    "again", [{"receive_count": 2}, {"interruptions": 1, "sent_at_ms": 5}], ids=["lost", "drained"]
)
def test_the_run_after_a_worker_s_end_goes_on_from_the_checkpoint(
    s3: Any, pool: Pool, tmp_path: Path, again: dict[str, int]
) -> None:
    s3.delete_object(Bucket="results", Key=key_of(JOB, 3))
    path, orders = tmp_path / "task", Orders()

    def end() -> None:
        poll(lambda: Path(f"{path}.begun").exists())
        orders.drain(interrupt=True)

    ending = threading.Thread(target=end)
    ending.start()
    assert events(pool, orders, str(path)) == [Returned([3], [3], split=False)]
    ending.join()
    stored = s3.get_object(Bucket="results", Key=key_of(JOB, 3))
    assert stored["Body"].read() == b"a b"
    (finished,) = events(pool, Orders(), str(path), **again)
    assert isinstance(finished, Finished)
    assert finished.ending.result == b'["a","b","c"]'
