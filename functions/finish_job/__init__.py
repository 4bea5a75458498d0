"""FinishJob: the last steps of a job's machine."""

import cold_start  # noqa: F401
