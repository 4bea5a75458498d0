"""Dead letters: what the task queue gave up on."""

import cold_start  # noqa: F401
