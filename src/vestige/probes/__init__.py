"""Linear probes: what can be read out of a representation."""
