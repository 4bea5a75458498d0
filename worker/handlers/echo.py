"""echo: returns its input; shows that tasks arrive and results come back."""

from worker import Context, Json, Task, handler


@handler("echo")
def run(task: Task, _context: Context) -> Json:
    """Return the input as it came."""
    return task.input
