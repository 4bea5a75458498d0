"""The API of workers: claim, complete, heartbeat."""

import cold_start  # noqa: F401
