"""PlanTasks: the first step of a job's machine."""
