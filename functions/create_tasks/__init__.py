"""CreateTasks: the machine's step that opens the leaves of one node."""

import cold_start  # noqa: F401
