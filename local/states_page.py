"""Draw docs/states.md from the transition tables, so that the page cannot differ from the code."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from orchestrator.model.states import JOB_TRANSITIONS, TASK_TRANSITIONS

PAGE = Path(__file__).parent.parent / "docs" / "states.md"

_HEAD = """# States

Drawn from the one table of transitions in `layers/core/orchestrator/model/states.py` (`make docs`).

## Jobs

{jobs}

- **CREATED**: accepted; the inputs are being planned and the leaves created. A retry leads back here,
  with a new generation.
- **ENQUEUING**: the first window of tasks is being sent.
- **PROCESSING**: workers run tasks; reports refill the queue. The machine waits for its token.
- **STOPPING**: cancelled, past its deadline, too many failures, or the orchestration failed. What runs
  may end within a grace.
- **SUCCEEDED**, **FAILED**, **CANCELLED**: every task has ended and the results are written.

## Tasks

{tasks}

RUNNING is not stored: it is what a live worker's last heartbeat says. A task's state is that of its
leaf's sets; the row
holds the detail. In every answer the counts of all states add up to the job's total.
"""


def diagram[S: StrEnum, V: StrEnum](first: S, transitions: Mapping[S, Mapping[V, S]]) -> str:
    """Return a Mermaid state diagram of a transition table."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    for state, exits in transitions.items():
        lines += [f"    {state} --> {target}: {event}" for event, target in exits.items()]
    return "\n".join([*lines, "```"])


def page() -> str:
    """Return the page's text."""
    return _HEAD.format(
        jobs=diagram(next(iter(JOB_TRANSITIONS)), JOB_TRANSITIONS),
        tasks=diagram(next(iter(TASK_TRANSITIONS)), TASK_TRANSITIONS),
    )


if __name__ == "__main__":
    PAGE.write_text(page())
