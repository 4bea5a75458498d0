"""PlanTasks: the first step of a job's machine."""

import cold_start  # noqa: F401
