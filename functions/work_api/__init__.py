"""The API of workers: claim, complete, heartbeat."""
