"""In-memory fakes of the ports, with the real things' semantics."""
