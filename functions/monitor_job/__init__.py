"""MonitorJob: the machine's step that leaves the task token with the job."""

import cold_start  # noqa: F401
