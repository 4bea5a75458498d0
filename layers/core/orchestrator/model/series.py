"""A job's counts over time: points that are far enough apart, the further the longer the job runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.model.progress import Counts

FIRST_SECONDS = 5
"""The width of the first buckets."""
_FIRST_SPAN = 100
"""Seconds of them: 20 buckets, and 20 more each time the job's age doubles. 30 days are 314 buckets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The counts of a job at a moment of one of its generations; `bucket` is where it is filed.

    Counts are absolute, so writing a point again, or two writers of one bucket, change nothing.
    """

    gen: int
    bucket: int
    at: datetime
    counts: Counts


def bucket_of(elapsed_seconds: float) -> int:
    """Return the second at which the bucket begins that holds this age of a generation."""
    elapsed = max(0, int(elapsed_seconds))
    width = FIRST_SECONDS << max(0, (elapsed // _FIRST_SPAN).bit_length() - 1)
    return elapsed // width * width
