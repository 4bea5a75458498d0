"""A handler whose tasks fail in the ways of real ones, always the same tasks."""

from __future__ import annotations

import time

from pydantic import JsonValue

from worker import Context, PermanentError, Task, handler


@handler("site.resize")
def resize(task: Task, context: Context) -> JsonValue:
    """Succeed, but for one task in 97 that is corrupt, one in 331 too large, one in 709 refused."""
    if task.index % 97 == 0:
        raise PermanentError(
            f"image {task.index} ends at byte {task.index * 31 % 4096}", type="CorruptImage"
        )
    if task.index % 331 == 0:
        raise PermanentError(
            f"{task.index * 7} pixels are more than are allowed", type="ImageTooLarge"
        )
    if task.index % 709 == 0:
        raise ConnectionError(f"cdn-{task.index % 3} refused the connection")
    time.sleep(task.index % 7 / 1000)
    return {"width": 640, "height": 360 + task.index % 120}
