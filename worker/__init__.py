"""The worker: receives tasks, runs them in child processes, reports what came of them.

Authors of handlers need only what this package names: `handler`, `Task`, `Context`,
`PermanentError` and `Cancelled`.
"""

from worker.api import Cancelled, Context, Json, PermanentError, Task
from worker.registry import handler

__all__ = ["Cancelled", "Context", "Json", "PermanentError", "Task", "handler"]
