"""HOLD: of several messages of one attempt, one may run it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from orchestrator.model.items import Hold
from orchestrator.service.ports import Store
from tests.integration.values import LATER, NOW


def hold(job_id: str, message_id: str = "m-1", **changes: int) -> Hold:
    made = Hold(job_id=job_id, index=7, gen=1, attempt=2, message_id=message_id, until=LATER)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_first_message_has_the_hold_and_may_take_it_again(store: Store, job_id: str) -> None:
    assert store.take_hold(hold(job_id), NOW)
    assert not store.take_hold(hold(job_id, "m-2"), NOW)
    assert store.take_hold(hold(job_id), NOW)
    assert store.take_hold(hold(job_id, "m-2", index=8), NOW)


def test_a_newer_attempt_or_generation_takes_over_and_an_older_one_does_not(
    store: Store, job_id: str
) -> None:
    assert store.take_hold(hold(job_id), NOW)
    assert not store.take_hold(hold(job_id, attempt=1), NOW)
    assert store.take_hold(hold(job_id, "m-2", attempt=3), NOW)
    assert store.take_hold(hold(job_id, "m-3", gen=2, attempt=1), NOW)
    assert not store.take_hold(hold(job_id, "m-2", attempt=9), NOW)


def test_a_hold_that_is_over_is_free(store: Store, job_id: str) -> None:
    assert store.take_hold(hold(job_id), NOW)
    assert not store.take_hold(hold(job_id, "m-2"), LATER)
    assert store.take_hold(hold(job_id, "m-2"), LATER + timedelta(milliseconds=1))


def test_only_the_own_hold_is_dropped(store: Store, job_id: str) -> None:
    store.drop_hold(hold(job_id))
    assert store.take_hold(hold(job_id), NOW)
    for other in (hold(job_id, "m-2"), hold(job_id, gen=2), hold(job_id, attempt=1)):
        store.drop_hold(other)
    assert not store.take_hold(hold(job_id, "m-2"), NOW)
    store.drop_hold(hold(job_id))
    assert store.take_hold(hold(job_id, "m-2"), NOW)


def test_of_many_messages_that_meet_one_has_the_hold(atomic: Store, job_id: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: atomic.take_hold(hold(job_id, f"m-{n}"), NOW), range(16)))
    assert sum(taken) == 1
