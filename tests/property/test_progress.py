"""Packed numbers and counts, for any sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.progress import (
    Leaf,
    Packed,
    Root,
    Tally,
    counts_of,
    pack_leaf,
    pack_node,
    unpack_leaf,
    unpack_node,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
offsets = st.frozensets(st.integers(0, 249))


def tallies(limit: int) -> st.SearchStrategy[Tally]:
    return st.builds(Tally, *(st.integers(0, limit) for _ in Tally._fields))


@given(st.integers(0, 10**9 - 1), tallies(250), st.integers(0, 10**9 - 1), tallies(250))
def test_a_packed_leaf_unpacks_and_sorts_by_version(
    ver: int, tally: Tally, other: int, more: Tally
) -> None:
    number = pack_leaf(Packed(ver, tally))
    assert unpack_leaf(number) == Packed(ver, tally)
    assert len(str(number)) <= 38
    if ver != other:
        assert (number < pack_leaf(Packed(other, more))) == (ver < other)


@given(st.integers(0, 10**11 - 1), tallies(16_000))
def test_a_packed_node_unpacks_within_38_digits(ver: int, tally: Tally) -> None:
    number = pack_node(Packed(ver, tally))
    assert unpack_node(number) == Packed(ver, tally)
    assert len(str(number)) <= 38


@given(offsets, offsets, offsets, offsets, offsets)
def test_a_leaf_s_counts_are_the_sizes_of_its_states(
    ok: frozenset[int],
    failed: frozenset[int],
    cancelled: frozenset[int],
    skipped: frozenset[int],
    retry: frozenset[int],
) -> None:
    leaf = Leaf(
        ok=ok,
        failed=failed - ok,
        cancelled=cancelled - ok - failed,
        skipped=skipped - ok - failed - cancelled,
        retry=retry,
    )
    tally = leaf.packed().tally
    states = [leaf.state(offset) for offset in range(250)]
    assert tally == Tally(
        *(states.count(s) for s in ("SUCCEEDED", "FAILED", "RETRYING", "CANCELLED", "SKIPPED"))  # type: ignore[arg-type]
    )


@given(
    st.lists(tallies(16_000), max_size=5),
    st.integers(0, 100_000),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 100),
)
def test_the_counts_of_a_job_always_add_up_to_its_total(
    nodes: list[Tally], pending: int, first: int, retry: int, age: int
) -> None:
    root = Root(
        nodes={number: pack_node(Packed(1, tally)) for number, tally in enumerate(nodes)},
        running_first=first,
        running_retry=retry,
        running_as_of=NOW - timedelta(seconds=age),
    )
    total = sum(tally.finals + tally.retrying for tally in nodes) + pending
    counts = counts_of(total, root, NOW)
    assert counts.total == total
    assert min(counts.pending, counts.retrying, counts.running) >= 0
    assert age <= 45 or counts.running == 0
