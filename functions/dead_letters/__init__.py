"""Dead letters: what the task queue gave up on."""
