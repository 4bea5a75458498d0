"""In-process fakes of what the worker needs of the world."""
