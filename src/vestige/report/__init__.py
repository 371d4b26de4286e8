"""A page library that knows no task: blocks, tables, curves, pictures, layers, style and provenance."""
