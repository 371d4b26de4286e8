"""Which single units of a network detect objects, and where they look."""
