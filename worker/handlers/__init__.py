"""The handlers that every worker has: csv.profile, echo, sleep."""
