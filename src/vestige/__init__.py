"""vestige measures what a vision network's representation still knows about where things are."""

__version__ = "0.1.0"
