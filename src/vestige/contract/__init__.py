"""The contracts of every measurement: a task, the session it is made in, and what it finds."""
