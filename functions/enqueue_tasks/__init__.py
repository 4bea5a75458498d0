"""EnqueueTasks: fills the queue, in the machine and when reports ask for it."""

import cold_start  # noqa: F401
