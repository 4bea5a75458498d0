"""The worker: receives tasks, runs them in child processes, reports what came of them.

Authors of handlers need only what this package names: `handler`, `Task`, `Context`, `PermanentError`,
`Cancelled`, `Draining` and `CheckpointFailed`.
"""

from worker.api import (
    Cancelled,
    CheckpointFailed,
    Context,
    Draining,
    Json,
    PermanentError,
    Task,
)
from worker.registry import handler

__all__ = [
    "Cancelled",
    "CheckpointFailed",
    "Context",
    "Draining",
    "Json",
    "PermanentError",
    "Task",
    "handler",
]
