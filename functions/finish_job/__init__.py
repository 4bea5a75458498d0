"""FinishJob: the last steps of a job's machine."""
