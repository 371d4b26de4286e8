"""The papers' tables and figures, out of tasks, with the published numbers beside."""
