"""The grid: the state of every task of a leaf in at most two bits each, and which version of it was seen.

A block is one byte, the mask of the states that the leaf holds (bit i is STATES[i]), and then for each task the
rank of its state among those of the mask, in as few bits as ranks need: none where all tasks are alike, one for
two states, two for up to four, three for five and six. Least significant bits first.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.model.ids import LEAF_SIZE, NODE_LEAVES
from orchestrator.model.progress import Leaf, Tally
from orchestrator.model.states import TaskState

STATES = (
    TaskState.PENDING,
    TaskState.RETRYING,
    TaskState.SUCCEEDED,
    TaskState.FAILED,
    TaskState.CANCELLED,
    TaskState.SKIPPED,
)
"""What the sets of a leaf tell apart; RUNNING is told by heartbeats and lies over these."""
_BITS = (0, 0, 1, 2, 2, 3, 3)
"""Bits a task by the number of states in the leaf."""
_SHIFTED = {bits: [1 << bits * offset for offset in range(LEAF_SIZE)] for bits in (1, 2, 3)}


def uniform_state(tally: Tally, size: int) -> TaskState | None:
    """Return the one state that all `size` tasks are in, as their counts say, or None."""
    pending = size - tally.finals - tally.retrying
    counts = (pending, tally.retrying, tally.ok, tally.failed, tally.cancelled, tally.skipped)
    return STATES[counts.index(size)] if size in counts else None


def uniform_block(state: TaskState) -> bytes:
    """Return the block of a leaf whose tasks are all in `state`."""
    return bytes([1 << STATES.index(state)])


def leaf_block(leaf: Leaf, size: int) -> bytes:
    """Return the block of a leaf of `size` tasks: at most 1 + 63 bytes for up to four states, else 1 + 94."""
    members = _by_state(leaf)
    present = [number for number, offsets in enumerate(members) if offsets]
    if sum(map(len, members)) < size:
        present.insert(0, 0)
    bits, packed = _BITS[len(present)], 0
    if bits:
        shifted = _SHIFTED[bits]
        for rank, number in enumerate(present[1:], start=1):
            packed |= rank * sum(shifted[offset] for offset in members[number])
    mask = sum(1 << number for number in present)
    return bytes([mask]) + packed.to_bytes(-(-size * bits // 8), "little")


def _by_state(leaf: Leaf) -> tuple[frozenset[int], ...]:
    """Return the offsets by state, each once: the order is that in which `Leaf.state` looks."""
    failed = leaf.failed - leaf.ok
    cancelled = leaf.cancelled - leaf.ok - failed
    skipped = leaf.skipped - leaf.ok - failed - cancelled
    return (frozenset(), leaf.retry - leaf.finals, leaf.ok, failed, cancelled, skipped)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridVersion:
    """What a reader has seen: versions of nodes (as ROOT had them) and, of nodes at work, of their leaves.

    A node that is not in `nodes` was never sent. `leaves` is by node, then by slot (64 of them).
    """

    nodes: Mapping[int, int] = field(default_factory=dict)
    leaves: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    def encode(self) -> str:
        """Return it as URL-safe text: 63 nodes and 8 of them with leaves are about 1 KB."""
        span = max(self.nodes, default=-1) + 1
        numbers = [span, *(self.nodes.get(node, -1) + 1 for node in range(span))]
        for node, leaves in sorted(self.leaves.items()):
            numbers += [node, *leaves]
        return urlsafe_b64encode(b"".join(map(_varint, numbers))).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> GridVersion:
        """Undo `encode`; the text must be one of its own (cursors are signed)."""
        numbers = _numbers(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        seen = [next(numbers) for _ in range(next(numbers))]
        return cls(
            nodes={node: number - 1 for node, number in enumerate(seen) if number},
            leaves={node: tuple(next(numbers) for _ in range(NODE_LEAVES)) for node in numbers},
        )


def _varint(number: int) -> bytes:
    """Return seven bits a byte, the lowest first; the high bit says that more follow (LEB128)."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _numbers(encoded: Iterable[int]) -> Iterator[int]:
    number = shift = 0
    for byte in encoded:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
