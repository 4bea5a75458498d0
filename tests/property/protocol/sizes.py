"""A progress tree of three tasks a leaf and two leaves a node, so that small jobs have many of both.

And windows of two tasks count as large: refills of these are asked for one at a time, those of one are not.
"""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

import tests.fakes.cluster  # noqa: F401  (so that all that is to be changed is loaded)

_SMALL = {"LEAF_SIZE": 3, "NODE_LEAVES": 2, "NODE_SIZE": 6}
STEP_TASKS = 2
"""Tasks an enqueuer sends between two writes of the cursor."""


def _modules() -> list[tuple[ModuleType, str]]:
    """Return where the sizes are, by module and name."""
    return [
        (module, constant)
        for name, module in sorted(sys.modules.items())
        if name.startswith(("orchestrator.", "tests."))
        for constant in _SMALL
        if constant in vars(module)
    ]


_PLACES = _modules()


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Change the tree's sizes wherever they were imported; `patch` undoes it."""
    for module, constant in _PLACES:
        patch.setattr(module, constant, _SMALL[constant])
    patch.setattr("orchestrator.service.enqueue.STEP_TASKS", STEP_TASKS)
    patch.setattr("orchestrator.service.commit.LARGE_WINDOW", 2)
