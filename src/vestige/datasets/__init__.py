"""Folders on disk (and drawings made on the fly) to Examples."""
