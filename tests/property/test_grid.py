"""Blocks and versions of the grid, for any leaf."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.grid import GridVersion, leaf_block, uniform_block, uniform_state
from orchestrator.model.progress import Leaf
from orchestrator.model.states import TaskState
from tests.fakes.grid import GridReader

STORED = [state for state in TaskState if state is not TaskState.RUNNING]
SETS = ("retry", "ok", "failed", "cancelled", "skipped")


@st.composite
def leaves(draw: st.DrawFn) -> tuple[Leaf, int]:
    """Return any leaf and its size; offsets of `retry` may have ended since."""
    size = draw(st.integers(1, 250))
    where = draw(st.lists(st.sampled_from((None, *SETS)), min_size=size, max_size=size))
    again = draw(st.frozensets(st.integers(0, size - 1)))
    sets = {n: frozenset(k for k, name in enumerate(where) if name == n) for n in SETS}
    return Leaf(**(sets | {"retry": sets["retry"] | again})), size  # type: ignore[arg-type]


def read(block: bytes, size: int) -> list[str]:
    header = f'{{"total":{size},"leaves":[[0,1]],"running":[]}}'.encode()
    reader = GridReader().apply(len(header).to_bytes(4, "little") + header + block)
    return [reader.cells[index] for index in range(size)]


@given(leaves())
def test_a_block_tells_each_task_s_state(drawn: tuple[Leaf, int]) -> None:
    leaf, size = drawn
    states = [leaf.state(offset) for offset in range(size)]
    block = leaf_block(leaf, size)
    assert read(block, size) == states
    assert len(block) <= (64 if len(set(states)) <= 4 else 95)
    alike = uniform_state(leaf.packed().tally, size)
    assert (alike is not None) == (len(set(states)) == 1)
    if alike is not None:
        assert block == uniform_block(alike)


def test_a_leaf_of_every_mix_of_states_is_told() -> None:
    for mask in range(1, 64):
        kinds = [STORED[bit] for bit in range(6) if mask >> bit & 1]
        states = [kinds[offset % len(kinds)] for offset in range(250)]
        names = dict(
            zip(STORED, ("pending", "retry", "ok", "failed", "cancelled", "skipped"), strict=True)
        )
        sets: dict[str, set[int]] = {}
        for offset, state in enumerate(states):
            sets.setdefault(names[state], set()).add(offset)
        sets.pop("pending", None)
        leaf = Leaf(**{name: frozenset(members) for name, members in sets.items()})  # type: ignore[arg-type]
        assert read(leaf_block(leaf, 250), 250) == states


versions = st.integers(0, 10**9 - 1)


@given(
    st.dictionaries(st.integers(0, 62), versions),
    st.dictionaries(st.integers(0, 62), st.tuples(*[versions] * 64), max_size=8),
)
def test_a_version_is_read_back(nodes: dict[int, int], leaves: dict[int, tuple[int, ...]]) -> None:
    version = GridVersion(nodes=nodes, leaves=leaves)
    assert GridVersion.decode(version.encode()) == version
