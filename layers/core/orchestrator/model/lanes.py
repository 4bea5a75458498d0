"""The lanes: a small job's tasks do not queue behind a large job's."""

from __future__ import annotations

from enum import StrEnum


class Lane(StrEnum):
    """A queue of its own each; every worker takes EXPRESS first, and keeps a slot for it."""

    ORDINARY = "ordinary"
    EXPRESS = "express"
