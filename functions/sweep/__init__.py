"""The sweep: each minute, and when an execution dies."""

import cold_start  # noqa: F401
