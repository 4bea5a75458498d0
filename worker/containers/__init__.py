"""Tasks that are containers: each runs as a Kubernetes Job, watched by one informer, without a slot."""
