"""The API of people and programs: jobs, tasks, results, keys, documentation."""

import cold_start  # noqa: F401
