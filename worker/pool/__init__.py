"""The worker's side of its children: start, talk, bound, kill, replace."""
