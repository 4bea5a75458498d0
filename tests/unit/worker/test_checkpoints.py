"""Checkpoints: kept for the next run, and never overwritten by an earlier one. The same on S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from worker.api import CHECKPOINT_MAX_BYTES, CheckpointFailed
from worker.child.bucket import S3, BucketCheckpoints
from worker.child.checkpoints import Checkpoint, Order, Store, Stored, key_of

KEY = key_of("01JDTESTTESTTESTTESTTESTTE", 7)


@dataclass
class MemoryStore:
    """Checkpoints in memory, with S3's conditions; counts what it is asked."""

    objects: dict[str, tuple[bytes, Order, int]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    version: int = 0

    def read(self, key: str) -> tuple[bytes, Stored] | None:
        self.calls.append("read")
        found = self.objects.get(key)
        return None if found is None else (found[0], Stored(str(found[2]), found[1]))

    def look(self, key: str) -> Stored | None:
        self.calls.append("look")
        found = self.objects.get(key)
        return None if found is None else Stored(str(found[2]), found[1])

    def write(self, key: str, data: bytes, order: Order, over: str | None) -> str | None:
        self.calls.append("write")
        found = self.objects.get(key)
        if (None if found is None else str(found[2])) != over:
            return None
        self.version += 1
        self.objects[key] = data, order, self.version
        return str(self.version)


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Both kinds: the fake must behave as S3 does."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="results")
        yield BucketCheckpoints("results", S3())


def run_of(store: Store, *order: int, first: bool = False, key: str = KEY) -> Checkpoint:
    """Return the checkpoint as the run of this attempt, sending and delivery uses it."""
    return Checkpoint(store, key, Order(*order), first=first, is_over=lambda: False)


def test_there_is_none_at_first_and_then_the_newest(store: Store) -> None:
    run = run_of(store, 1, 100, 1, first=True)
    assert run.load() is None
    assert run.save(b"one")
    assert run.save(b"two")
    assert run.load() == b"two"
    assert run_of(store, 1, 100, 2).load() == b"two"


def test_each_task_has_its_own(store: Store) -> None:
    run_of(store, 1, 100, 1).save(b"mine")
    assert run_of(store, 2, 200, 1, key=key_of("01JDTESTTESTTESTTESTTESTTE", 8)).load() is None


@pytest.mark.parametrize(
    "later",
    [(1, 100, 2), (1, 200, 1), (2, 50, 1)],
    ids=["delivered again", "sent again", "another attempt"],
)
def test_an_earlier_run_overwrites_nothing_of_a_later_one(
    store: Store, later: tuple[int, int, int]
) -> None:
    earlier, newer = run_of(store, 1, 100, 1, first=True), run_of(store, *later)
    assert earlier.save(b"old")
    assert newer.load() == b"old"
    assert earlier.save(b"older run, still alone")
    assert newer.save(b"new"), "the earlier run wrote since the later one looked"
    assert not earlier.save(b"zombie")
    assert newer.save(b"newer")
    assert run_of(store, 9, 900, 1).load() == b"newer"


def test_an_earlier_run_that_never_wrote_before_overwrites_nothing_either(store: Store) -> None:
    earlier, newer = run_of(store, 1, 100, 1, first=True), run_of(store, 1, 100, 2)
    assert newer.load() is None
    assert newer.save(b"new")
    assert not earlier.save(b"zombie")
    assert run_of(store, 2, 300, 1).load() == b"new"


def test_a_later_run_that_did_not_look_goes_over_an_earlier_one(store: Store) -> None:
    assert run_of(store, 1, 100, 1).save(b"old")
    assert run_of(store, 2, 200, 1).save(b"new")
    assert run_of(store, 3, 300, 1).load() == b"new"


def test_the_same_delivery_twice_stores_what_came_last(store: Store) -> None:
    one, other = run_of(store, 1, 100, 1), run_of(store, 1, 100, 1)
    assert one.save(b"one")
    assert other.save(b"other")
    assert one.save(b"one again")
    assert other.load() == b"other", "what this run has saved itself"


def test_a_checkpoint_that_has_expired_is_written_anew() -> None:
    store = MemoryStore()
    run = run_of(store, 1, 100, 1)
    run.save(b"one")
    store.objects.clear()
    assert run.save(b"two")


def test_a_first_run_asks_for_nothing_and_later_ones_once_if_at_all() -> None:
    store = MemoryStore()
    first = run_of(store, 1, 100, 1, first=True)
    assert first.load() is None
    assert store.calls == []
    assert first.save(b"x")
    assert store.calls == ["write"]
    later = run_of(store, 1, 100, 2)
    assert store.calls == ["write"]
    assert [later.load(), later.load()] == [b"x", b"x"]
    assert later.save(b"y")
    assert store.calls == ["write", "read", "write"]


def test_what_is_too_large_is_refused_and_what_just_fits_is_not() -> None:
    run = run_of(MemoryStore(), 1, 100, 1)
    assert run.save(bytes(CHECKPOINT_MAX_BYTES))
    with pytest.raises(ValueError, match=f"the limit is {CHECKPOINT_MAX_BYTES}"):
        run.save(bytes(CHECKPOINT_MAX_BYTES + 1))


def test_a_run_that_is_over_stores_nothing() -> None:
    store = MemoryStore()
    run = Checkpoint(store, KEY, Order(1, 100, 1), first=True, is_over=lambda: True)
    assert not run.save(b"from a thread that was left behind")
    assert not store.objects


def test_runs_that_overwrite_each_other_without_end_are_told() -> None:
    class Restless(MemoryStore):
        """Somebody always writes in between."""

        def write(self, key: str, data: bytes, order: Order, over: str | None) -> str | None:
            self.calls.append("write")
            return None

    with pytest.raises(CheckpointFailed, match="other runs"):
        run_of(Restless(), 1, 100, 1).save(b"x")


@pytest.mark.parametrize("text", ["", "1.2", "1.2.3.4", "a.b.c", "1.2.-3"])
def test_an_object_of_another_s_making_comes_before_all_runs(text: str) -> None:
    assert Order.read(text) < Order(1, 0, 1)


def test_an_order_is_read_as_it_was_written() -> None:
    order = Order(3, 1_700_000_000_000, 12)
    assert Order.read(order.text()) == order


@pytest.fixture
def refusing() -> Iterator[tuple[Stubber, BucketCheckpoints]]:
    s3 = S3()
    vars(s3)["client"] = client = boto3.client("s3", region_name="us-east-1")
    with Stubber(client) as stubber:
        yield stubber, BucketCheckpoints("results", s3)


def test_a_role_that_may_not_list_sees_what_is_not_there_as_denied(
    refusing: tuple[Stubber, BucketCheckpoints],
) -> None:
    stubber, store = refusing
    stubber.add_client_error("get_object", "AccessDenied", http_status_code=403)
    stubber.add_client_error("head_object", "403", http_status_code=403)
    assert store.read(KEY) is None
    assert store.look(KEY) is None


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket", "SlowDown"])
def test_a_write_that_s3_refuses_says_why(
    refusing: tuple[Stubber, BucketCheckpoints], code: str
) -> None:
    stubber, store = refusing
    stubber.add_client_error("put_object", code)
    with pytest.raises(CheckpointFailed, match=code) as raised:
        run_of(store, 1, 100, 1).save(b"x")
    assert isinstance(raised.value.__cause__, ClientError)


def test_two_writes_at_the_same_moment_are_one_after_the_other(
    refusing: tuple[Stubber, BucketCheckpoints],
) -> None:
    stubber, store = refusing
    stubber.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    stubber.add_client_error("head_object", "404", http_status_code=404)
    stubber.add_response("put_object", {"ETag": '"1"'})
    assert run_of(store, 1, 100, 1).save(b"x")


def test_an_s3_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    made: Any = boto3.client("s3", region_name="us-east-1")
    s3 = S3()
    vars(s3)["client"] = made
    with pytest.raises(CheckpointFailed, match="EndpointConnectionError"):
        run_of(BucketCheckpoints("results", s3), 1, 100, 2).load()
