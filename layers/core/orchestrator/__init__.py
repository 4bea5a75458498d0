"""The orchestrator's core: what every function shares, and what the worker knows of the protocol."""
