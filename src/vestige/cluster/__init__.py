"""Work on many machines: Ray's tasks and actors."""
