"""The sweep: each minute, and when an execution dies."""
