"""MonitorJob: the machine's step that leaves the task token with the job."""
